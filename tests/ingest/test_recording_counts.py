"""Raw counts of skin conductance in a recording, by the name of their transfer function."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from becalm_ingest.agent import AgentSettings, _source
from becalm_ingest.replay import read_recording
from becalm_protocol.derived import Metrics, Reason
from becalm_protocol.errors import ConfigError, RecordingError
from becalm_protocol.events import SampleBlock
from becalm_signal.pipeline import Pipeline

DATA = Path(os.environ.get("BECALM_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.mark.parametrize(
    ("transfer", "raw", "expected_us"),
    # By the makers' formulas, worked out by hand.
    [
        ("bitalino", 512, 12.5),
        ("bitalino6", 32, 12.5),
        ("PLUX12", 2048, 12.5),
        ("plux16", 8192, 3.125),
        ("grove", 300, 13.0542),
    ],
)
def test_counts_become_microsiemens(tmp_path: Path, transfer: str, raw: int, expected_us: float) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("time_s,EDA\n" + "".join(f"{n / 10},{raw}\n" for n in range(50)))
    recording = read_recording(path, rate_hz=None, chunk_ms=1000, signals=[f"EDA=eda:{transfer}"])
    (info,) = recording.streams
    told_us = [
        count * info.unit_per_count for e in recording.events() if isinstance(e, SampleBlock) for count in e.counts
    ]
    assert info.unit == "uS"
    assert told_us == pytest.approx([expected_us] * 50, abs=1e-4)


def test_counts_in_edf_become_microsiemens_too(tmp_path: Path) -> None:
    pyedflib = pytest.importorskip("pyedflib", reason="the independent writer pyedflib is not installed")
    path = tmp_path / "counts.edf"
    with pyedflib.EdfWriter(str(path), 1) as writer:
        writer.setSignalHeader(
            0,
            {
                "label": "EDA",
                "dimension": "",
                "sample_frequency": 10,
                "physical_min": -32768.0,
                "physical_max": 32767.0,
                "digital_min": -32768,
                "digital_max": 32767,
                "transducer": "",
                "prefilter": "",
            },
        )
        writer.writeSamples([np.full(100, 512, dtype=np.int32)], digital=True)
    recording = read_recording(path, rate_hz=None, chunk_ms=1000, signals=["EDA=eda:bitalino"])
    (info,) = recording.streams
    blocks = [event for event in recording.events() if isinstance(event, SampleBlock)]
    assert {count * info.unit_per_count for block in blocks for count in block.counts} == {12.5}
    assert sum(len(block.counts) for block in blocks) == 100
    with pytest.raises(RecordingError, match=r'or for raw counts "EDA=eda:TRANSFER" .bitalino'):
        read_recording(path, rate_hz=None, chunk_ms=1000)


def test_no_count_is_too_odd(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("time_s,EDA\n0.0,-512\n0.1,\n0.2,200000\n0.3,300\n")
    recording = read_recording(path, rate_hz=None, chunk_ms=1000, signals=["EDA=eda:bitalino"])
    counts = [count for event in recording.events() if isinstance(event, SampleBlock) for count in event.counts]
    assert counts == [0, 10_000_000, 73_242]


def test_an_unknown_transfer_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="or for raw counts bitalino, bitalino6, plux12, plux16, grove, got 'counts'"):
        read_recording(tmp_path / "counts.csv", rate_hz=None, chunk_ms=1000, signals=["EDA=eda:counts"])


def test_a_live_stream_has_no_transfer(tmp_path: Path) -> None:
    settings = AgentSettings(
        server_url="ws://127.0.0.1:1", data_dir=tmp_path, devices=("lsl:X",), signals=("EDA=eda:bitalino",)
    )
    with pytest.raises(ConfigError, match="transfers are for recordings"):
        _source(settings)


def test_a_real_recording_in_counts_gives_a_level(tmp_path: Path) -> None:
    source = DATA / "biosppy" / "eda.txt.gz"
    if not source.is_file():
        pytest.skip(f"{source} is absent: set BECALM_DATA to the folder with recordings")
    lines = gzip.decompress(source.read_bytes()).decode().splitlines()
    raw = [line for line in lines if not line.startswith("#")][:60_000]
    path = tmp_path / "eda.csv"
    path.write_text("EDA\n" + "\n".join(raw))
    recording = read_recording(path, rate_hz=1000.0, chunk_ms=1000, signals=["EDA=eda:plux12"])
    pipeline = Pipeline(recording.streams)
    metrics = [told for event in recording.events() for told in pipeline.feed(event) if isinstance(told, Metrics)]
    levels = [told.scl_us for told in metrics]
    assert Reason.OUT_OF_RANGE not in {level.reason for level in levels}
    shown = [level.value for level in levels if level.value is not None]
    assert len(shown) > 0.8 * len(levels)
    assert np.median(shown) == pytest.approx(np.median([float(x) for x in raw]) / 4096 * 25.0, rel=0.1)
