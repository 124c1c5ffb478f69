"""EDF+ read back by edfio and by pyedflib (EDFlib), held against what was stored."""

import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import PIPELINE_VERSION, Beat, Breath, SkinResponse
from becalm_protocol.events import Clock, Dropped, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_server.exports import stretches
from becalm_server.refusals import FormatUnavailableError

edfio = pytest.importorskip("edfio", reason="the independent reader edfio is not installed")
pyedflib = pytest.importorskip("pyedflib", reason="the independent reader pyedflib is not installed")
MARKER = -32_768
# The header tells whole seconds; these recordings began a quarter after one.
BEGAN_S = 0.25


def read(data: bytes, tmp_path: Path) -> Any:
    path = tmp_path / f"{secrets.token_hex(4)}.edf"
    path.write_bytes(data)
    return edfio.read_edf(path)


def signal(edf: Any, label: str) -> Any:
    return next(one for one in edf.signals if one.label == label)


def held_slots(edf: Any, label: str) -> list[int]:
    rate_hz = signal(edf, label).sampling_frequency
    return [round(note.onset * rate_hz) for note in edf.annotations if note.text == f"Held {label}"]


def without_padding(edf: Any, label: str) -> Any:
    digital = np.delete(signal(edf, label).digital, held_slots(edf, label))
    return digital[digital != MARKER]


async def test_every_count_is_there_once_and_in_order(
    session_id: str, recording: Any, export: Any, tmp_path: Path
) -> None:
    edf = read(export(session_id, "edf"), tmp_path)
    assert without_padding(edf, "ECG").tolist() == recording.counts_of(recording.ecg)
    assert without_padding(edf, "Resp").tolist() == recording.counts_of(recording.belt)
    ecg_2 = signal(edf, "ECG 2")
    # The lowest 16-bit count is the marker, so all are shifted; the physical limits say so.
    shift = recording.counts_of(recording.ecg_2)[0] - without_padding(edf, "ECG 2")[0]
    assert (without_padding(edf, "ECG 2") + shift).tolist() == recording.counts_of(recording.ecg_2)
    gain = (ecg_2.physical_max - ecg_2.physical_min) / 65_535
    assert gain == pytest.approx(recording.ecg_2.unit_per_count, rel=1e-6)


@pytest.mark.parametrize("n_blocks", [1, 1_000])
async def test_a_slot_left_free_repeats_the_sample_before_it(
    session_id: str, export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_blocks: int
) -> None:
    monkeypatch.setattr(stretches, "_BLOCKS_AT_ONCE", n_blocks)
    edf = read(export(session_id, "edf"), tmp_path)
    held, digital = held_slots(edf, "ECG"), signal(edf, "ECG").digital
    assert len(held) >= 2
    assert digital[held].tolist() == [digital[slot - 1] for slot in held]


async def test_counts_beyond_16_bits_are_scaled_and_say_so(
    session_id: str, recording: Any, export: Any, tmp_path: Path
) -> None:
    edf = read(export(session_id, "edf"), tmp_path)
    light = signal(edf, "PPG 1")
    assert "scaled, 1 digital = 128 counts" in light.transducer_type
    kept = light.digital != MARKER
    told = light.data[kept]
    assert len(told) == len(recording.counts_of(recording.light))
    assert np.abs(told - recording.counts_of(recording.light)).max() <= 65


async def test_samples_lie_at_their_session_time(session_id: str, recording: Any, export: Any, tmp_path: Path) -> None:
    """A strap at 130.16 Hz and its gap: each sample within half a slot and the clock's own error."""
    edf = read(export(session_id, "edf"), tmp_path)
    ecg = signal(edf, "ECG")
    assert ecg.sampling_frequency >= 130.16
    slots = np.delete(np.arange(len(ecg.digital)), held_slots(edf, "ECG"))
    slots = slots[ecg.digital[slots] != MARKER]
    positions = [
        idx
        for event in recording.events
        if isinstance(event, SampleBlock) and event.stream_id == recording.ecg.stream_id
        for idx in range(event.first_sample_idx, event.first_sample_idx + len(event.counts))
    ]
    true_s = np.array(sorted(set(positions))) / 130.16
    # The smallest latency of the link, 30 ms here, cannot be told from the clock's offset.
    late_s = slots / ecg.sampling_frequency - BEGAN_S - true_s - 0.030
    assert np.abs(late_s).max() < 0.006


async def test_gaps_are_padded_with_the_marker_and_annotated(session_id: str, export: Any, tmp_path: Path) -> None:
    edf = read(export(session_id, "edf"), tmp_path)
    ecg = signal(edf, "ECG")
    gap = next(note for note in edf.annotations if note.text == "Gap ECG link_lost")
    assert (gap.onset, gap.duration) == (40.0 + BEGAN_S, 20.0)
    inside = ecg.digital[
        round((41 + BEGAN_S) * ecg.sampling_frequency) : round((59 + BEGAN_S) * ecg.sampling_frequency)
    ]
    assert set(inside.tolist()) == {MARKER}
    assert ecg.prefiltering == "none; -32768 = no sample"
    assert ecg.digital_range == (MARKER, 32_767)


async def test_annotations_are_what_was_derived(session_id: str, recording: Any, export: Any, tmp_path: Path) -> None:
    notes = read(export(session_id, "edf"), tmp_path).annotations
    beats = [one for one in recording.conclusions if isinstance(one, Beat)]
    told = [(note.onset, note.text) for note in notes if note.text.startswith("Beat ")]
    expected = sorted((one.t_ns / NS_PER_S + BEGAN_S, f"Beat {one.source.value} {one.flag.value}") for one in beats)
    assert [text for _, text in sorted(told)] == [text for _, text in expected]
    assert np.allclose([t_s for t_s, _ in sorted(told)], [t_s for t_s, _ in expected], atol=1e-6)
    n_of = {cls: sum(isinstance(one, cls) for one in recording.conclusions) for cls in (Breath, SkinResponse)}
    assert sum(" depth " in note.text for note in notes) == n_of[Breath]
    assert sum(note.text.startswith("Skin response") for note in notes) == n_of[SkinResponse]
    texts = {note.text: note.duration for note in notes}
    assert texts["Phase baseline"] == 30.0
    assert texts["Phase practice, pacer 4 s in 6 s out"] == pytest.approx(60.01, abs=0.2)
    assert texts["Breath pause respiration"] == 5.0
    assert {
        "Stream ECG lost",
        "Battery Resp 81 %",
        "Quality ecg noisy",
        "Quality ecg usable, powerline",
        "Breath in respiration",
        "Breath out",
    } <= set(texts)


async def test_a_crowd_of_notes_does_not_swell_the_file(
    store: Any, recording: Any, export: Any, tmp_path: Path
) -> None:
    recording.sampled(recording.belt, seconds=range(0, 600), per_block=50, true_hz=10.0, low=0, high=99)
    recording.events += [
        Dropped(stream_id=recording.belt.stream_id, received_ns=5 * NS_PER_S + n, problem="odd") for n in range(3_000)
    ]
    data = export(await store(recording), "edf")
    edf = read(data, tmp_path)
    told_s = [note.onset for note in edf.annotations if note.text == "Dropped Resp"]
    assert told_s == pytest.approx([5.25] * 3_000, abs=1e-5)
    assert without_padding(edf, "Resp").tolist() == recording.counts_of(recording.belt)
    assert len(data) < 4 * 3_000 * len("+5.250000_Dropped Resp__")


async def test_edflib_reads_the_same(session_id: str, recording: Any, export: Any, tmp_path: Path) -> None:
    data = export(session_id, "edf")
    (tmp_path / "a.edf").write_bytes(data)
    edf = read(data, tmp_path)
    with pyedflib.EdfReader(str(tmp_path / "a.edf")) as reader:
        assert reader.getSignalLabels() == [one.label for one in edf.signals]
        assert reader.readSignal(0, digital=True).tolist() == signal(edf, "ECG").digital.tolist()
        assert len(reader.readAnnotations()[0]) == len(edf.annotations)
        assert reader.getPatientName() == "X"


async def test_a_sensors_name_is_left_out_unless_wanted(session_id: str, export: Any, tmp_path: Path) -> None:
    assert b"Anna" not in export(session_id, "edf")
    named = signal(read(export(session_id, "edf", device_names=True), tmp_path), "ECG").transducer_type
    assert named == 'Anna\'s <H10> & "belt"; 1u; 1 count = 1 uV'


async def test_a_session_without_data_is_a_file_without_signals(
    empty_session_id: str, export: Any, tmp_path: Path
) -> None:
    edf = read(export(empty_session_id, "edf"), tmp_path)
    assert [one.label for one in edf.signals] == []
    assert [note.text for note in edf.annotations] == [f"Session time 0, pipeline {PIPELINE_VERSION}"]


async def test_a_session_too_long_for_edf_is_refused_in_words(store: Any, recording: Any, export: Any) -> None:
    t_ns = 3 * 24 * 3600 * NS_PER_S
    recording.events = [
        SampleBlock(stream_id=recording.belt.stream_id, received_ns=t_ns, first_sample_idx=9, counts=(1,))
    ]
    with pytest.raises(FormatUnavailableError, match="at most 48 h"):
        export(await store(recording), "edf")


@pytest.mark.parametrize("counts", [(5, 5, 5), (2**31 - 1, -(2**31)), (-32_768, 0), (32_767, 32_767)])
async def test_odd_ranges_keep_their_values(
    store: Any, recording: Any, export: Any, tmp_path: Path, counts: tuple[int, ...]
) -> None:
    recording.events = [
        SampleBlock(stream_id=recording.skin.stream_id, received_ns=NS_PER_S, first_sample_idx=0,
                    sensor_ns=NS_PER_S, counts=counts)
    ]  # fmt: skip
    assert (recording.skin.clock, recording.skin.kind) == (Clock.SESSION, SignalKind.SKIN_CONDUCTANCE)
    skin = signal(read(export(await store(recording), "edf"), tmp_path), "EDA")
    told = skin.data[skin.digital != MARKER]
    step = max(1, (max(counts) - min(counts)) / 65_000)
    expected = np.array(counts) * recording.skin.unit_per_count
    assert np.abs(told - expected).max() <= step * recording.skin.unit_per_count + np.abs(expected).max() * 1e-5
