"""XDF read back by pyxdf, held against what was stored."""

import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import PIPELINE_VERSION, Beat, Metrics, SlowMetrics
from becalm_protocol.events import RrBlock, SampleBlock, StreamInfo
from becalm_protocol.units import NS_PER_S

pyxdf = pytest.importorskip("pyxdf", reason="the independent reader pyxdf is not installed")
Streams = dict[str, Any]


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def streams(data: bytes, *, synchronize: bool = True) -> Streams:
        path = tmp_path / f"{secrets.token_hex(4)}.xdf"
        path.write_bytes(data)
        found, _ = pyxdf.load_xdf(str(path), synchronize_clocks=synchronize, dejitter_timestamps=False)
        return {one["info"]["name"][0]: one for one in found}

    return streams


def blocks_of(recording: Any, info: StreamInfo) -> list[SampleBlock]:
    return [e for e in dict.fromkeys(recording.events) if isinstance(e, SampleBlock) and e.stream_id == info.stream_id]


async def test_every_count_is_there_in_its_unit(session_id: str, recording: Any, export: Any, read: Any) -> None:
    streams = read(export(session_id, "xdf"))
    for label, info in (("ECG", recording.ecg), ("ECG 2", recording.ecg_2), ("Resp", recording.belt),
                        ("EDA", recording.skin), ("PPG 1", recording.light)):  # fmt: skip
        values = streams[label]["time_series"][:, 0]
        assert np.rint(values / info.unit_per_count).astype(int).tolist() == recording.counts_of(info)
        assert streams[label]["info"]["nominal_srate"] == [repr(info.sample_rate_hz)]
        (desc,) = streams[label]["info"]["desc"]
        assert desc["channels"][0]["channel"][0] == {"label": [label], "unit": [info.unit]}
        assert float(desc["unit_per_count"][0]) == info.unit_per_count
        footer = streams[label]["footer"]["info"]
        assert int(footer["sample_count"][0]) == len(values)


async def test_a_device_keeps_its_own_clock(session_id: str, recording: Any, export: Any, read: Any) -> None:
    """Without the offsets: the strap's own stamps, to the microsecond."""
    ecg = read(export(session_id, "xdf"), synchronize=False)["ECG"]
    zero_ns = int(ecg["info"]["desc"][0]["clock_zero_ns"][0])
    blocks = blocks_of(recording, recording.ecg)
    ends = np.cumsum([len(block.counts) for block in blocks]) - 1
    stamps_ns = [(block.sensor_ns or 0) - zero_ns for block in blocks]
    assert np.abs(ecg["time_stamps"][ends] * NS_PER_S - stamps_ns).max() < 1_000


async def test_the_offsets_bring_every_clock_to_session_time(
    session_id: str, export: Any, read: Any, open_content: Any
) -> None:
    streams = read(export(session_id, "xdf"))
    with open_content(session_id) as content:
        for label, track in zip(("ECG", "ECG 2", "Resp", "EDA", "PPG 1"), content.tracks.values(), strict=True):
            placed_s = np.concatenate([block.times_ns() for block in track.blocks()]) / NS_PER_S
            assert np.abs(streams[label]["time_stamps"] - placed_s).max() < 0.004, label


async def test_a_gap_is_a_jump_of_the_stamps(session_id: str, export: Any, read: Any) -> None:
    steps_s = np.diff(read(export(session_id, "xdf"))["ECG"]["time_stamps"])
    assert (steps_s > 1.0).sum() == 1
    assert steps_s.max() == pytest.approx(20.0, abs=0.1)


async def test_intervals_come_back_to_the_tick(session_id: str, recording: Any, export: Any, read: Any) -> None:
    streams = read(export(session_id, "xdf"))
    for label, info in (("RR", recording.rr), ("PPI", recording.ppi)):
        rows, stamps_s = streams[label]["time_series"], streams[label]["time_stamps"]
        told = ~np.isnan(rows[:, 0])
        blocks = [e for e in recording.events if isinstance(e, RrBlock) and e.stream_id == info.stream_id]
        assert np.rint(rows[told, 0] * 1.024).astype(int).tolist() == [t for b in blocks for t in b.rr_1024]
        assert (~told).sum() == sum(not block.rr_1024 for block in blocks)
        assert stamps_s[-1] == pytest.approx(blocks[-1].received_ns / NS_PER_S)
    assert streams["PPI"]["time_series"][7, 1:3].tolist() == [7.0, 0.0]
    assert np.isnan(streams["RR"]["time_series"][0, 4])


async def test_beats_indices_and_markers(session_id: str, recording: Any, export: Any, read: Any) -> None:
    streams = read(export(session_id, "xdf"))
    beats = [one for one in recording.conclusions if isinstance(one, Beat) and one.source.value == "ecg"]
    told = streams["beats ecg"]
    assert told["time_stamps"].tolist() == pytest.approx([one.t_ns / NS_PER_S for one in beats])
    expected = [np.nan if one.rr_ms is None else one.rr_ms for one in beats]
    assert np.array_equal(told["time_series"][:, 0], expected, equal_nan=True)
    indices = streams["indices"]
    labels = [one["label"][0] for one in indices["info"]["desc"][0]["channels"][0]["channel"]]
    assert labels[::2] == list(Metrics.index_names())
    rows = indices["time_series"]
    assert np.isnan(rows[:10]).all()
    assert rows[10:, labels.index("heart_rate_bpm")].tolist() == [60.0 + n / 8 for n in range(11, 91)]
    assert set(rows[10:, labels.index("arousal_bound")]) == {0.5}
    assert streams["slow indices"]["time_series"].shape == (18, 2 * len(SlowMetrics.index_names()))
    assert indices["info"]["desc"][0]["pipeline_version"] == [PIPELINE_VERSION]
    texts = [text for (text,) in streams["markers"]["time_series"]]
    assert {
        "Phase baseline",
        "Gap ECG link_lost",
        "Beat ecg ectopic",
        "Quality ecg noisy",
        "Quality ecg usable, powerline",
    } <= set(texts)


async def test_odd_names_survive(session_id: str, recording: Any, export: Any, read: Any) -> None:
    data = export(session_id, "xdf", device_names=True)
    named = {label: one["info"]["desc"][0].get("device") for label, one in read(data).items()}
    assert named["ECG"] == [recording.ecg.device]
    assert named["Resp"] == [recording.belt.device]
    assert b"Anna" not in export(session_id, "xdf")


async def test_a_session_without_data_has_empty_streams(empty_session_id: str, export: Any, read: Any) -> None:
    streams = read(export(empty_session_id, "xdf"))
    assert {name for name, one in streams.items() if len(one["time_stamps"])} == {"markers"}
    assert {"ECG", "ECG 2", "RR", "indices"} <= set(streams)
