"""EDF and BDF written by other programs are read to the count; breaks, cuts and odd headers are told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.agent import AgentSettings, run_replay
from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, Dropped, Gap, GapReason, RawEvent, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_S

edfio = pytest.importorskip("edfio", reason="the independent writer edfio is not installed")
np = pytest.importorskip("numpy")


def ramp(n: int, *, low: float, high: float) -> Any:
    return low + (high - low) * (np.arange(n) * 7919 % n) / n


def signal(label: str, data: Any, *, rate_hz: float, unit: str, limits: tuple[float, float]) -> Any:
    return edfio.EdfSignal(
        data, sampling_frequency=rate_hz, label=label, physical_dimension=unit, physical_range=limits
    )


def write(path: Path, *signals: Any, annotations: Any = None, record_s: float = 1.0) -> Path:
    edfio.Edf(list(signals), annotations=annotations, data_record_duration=record_s).write(path)
    return path


def counts_of(recording: Any, events: list[RawEvent], kind: SignalKind) -> list[int]:
    (stream_id,) = [info.stream_id for info in recording.streams if info.kind is kind]
    return [c for e in events if isinstance(e, SampleBlock) and e.stream_id == stream_id for c in e.counts]


def read(path: Path, *, chunk_ms: int = 250, signals: tuple[str, ...] = ()) -> tuple[Any, list[RawEvent]]:
    recording = read_recording(path, rate_hz=None, chunk_ms=chunk_ms, signals=signals)
    return recording, list(recording.events())


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write(
        tmp_path / "plain.edf",
        signal("EEG Fpz", ramp(1_280, low=-99, high=99), rate_hz=128, unit="uV", limits=(-100, 100)),
        signal("ECG", ramp(2_560, low=-2.9, high=2.9), rate_hz=256, unit="mV", limits=(-3, 3)),
        signal("Resp", ramp(320, low=0, high=100), rate_hz=32, unit="%", limits=(0, 100)),
        signal("GSR", ramp(80, low=0.5, high=9.5), rate_hz=8, unit="uS", limits=(0, 10)),
    )


def test_every_signal_in_its_unit_and_rate(plain: Path) -> None:
    recording, events = read(plain)
    reference = edfio.read_edf(plain)
    for kind, label, unit, rate_hz, factor in (
        (SignalKind.ECG, "ECG", "uV", 256.0, 1_000.0),
        (SignalKind.RESPIRATION, "Resp", "au", 32.0, 1.0),
        (SignalKind.SKIN_CONDUCTANCE, "GSR", "uS", 8.0, 1.0),
    ):
        (info,) = [info for info in recording.streams if info.kind is kind]
        assert (info.unit, info.sample_rate_hz, info.clock) == (unit, rate_hz, Clock.SESSION)
        values = np.array(counts_of(recording, events, kind)) * info.unit_per_count
        expected = reference.get_signal(label).data * factor
        # Digital values are kept; physical zero is a whole count, so all are shifted by half a count at most.
        assert np.abs(values - expected).max() <= 0.5001 * info.unit_per_count
        assert np.allclose(np.diff(values), np.diff(expected), atol=1e-9)
    assert "EEG Fpz" in recording.warnings[0]


def test_times_are_those_of_the_samples(plain: Path) -> None:
    recording, events = read(plain)
    (ecg,) = [info.stream_id for info in recording.streams if info.kind is SignalKind.ECG]
    blocks = [e for e in events if isinstance(e, SampleBlock) and e.stream_id == ecg]
    assert all(block.sensor_ns == block.received_ns for block in blocks)
    for block in blocks:
        last = block.first_sample_idx + len(block.counts) - 1
        assert block.received_ns == round(last * NS_PER_S / 256)
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)


async def test_a_replay_arrives_whole_at_the_server(plain: Path, wire: Any, tmp_path: Path) -> None:
    settings = AgentSettings(server_url=wire.url, data_dir=tmp_path / "agent")
    async with asyncio.timeout(10):
        report = await run_replay(settings, plain, rate_hz=None, speed=0, stop=asyncio.Event())
    assert report.received == {"ecg": 2_560, "respiration": 320, "skin_conductance": 80}
    recording, events = read(plain)
    arrived = [count for block in wire.events(SampleBlock) for count in block.counts]
    assert sorted(arrived) == sorted(c for e in events if isinstance(e, SampleBlock) for c in e.counts)
    assert len(recording.streams) == len(wire.opened[0].streams)


@pytest.mark.parametrize("chunk_ms", [1, 77, 1_000, 3_600_000])
def test_any_cut_gives_the_same_samples(plain: Path, chunk_ms: int) -> None:
    recording, events = read(plain, chunk_ms=chunk_ms)
    whole, whole_events = read(plain)
    for kind in (SignalKind.ECG, SignalKind.RESPIRATION, SignalKind.SKIN_CONDUCTANCE):
        assert counts_of(recording, events, kind) == counts_of(whole, whole_events, kind)


def test_bdf_has_24_bits(tmp_path: Path) -> None:
    pyedflib = pytest.importorskip("pyedflib", reason="the independent writer pyedflib is not installed")
    path = tmp_path / "a.bdf"
    digital = np.array([-8_388_608, -8_388_607, -1, 0, 1, 255, 256, 8_388_607] * 64, dtype=np.int32)
    with pyedflib.EdfWriter(str(path), 1, file_type=pyedflib.FILETYPE_BDFPLUS) as writer:
        header = {
            "label": "EKG", "dimension": "uV", "sample_frequency": 512,
            "physical_max": 262_143, "physical_min": -262_144, "digital_max": 8_388_607,
            "digital_min": -8_388_608, "transducer": "", "prefilter": "",
        }  # fmt: skip
        writer.setSignalHeader(0, header)
        writer.writeSamples([digital], digital=True)
    recording, events = read(path)
    (info,) = recording.streams
    shift = counts_of(recording, events, SignalKind.ECG)[3]
    assert shift == -16  # these limits put physical zero at digital 16
    assert counts_of(recording, events, SignalKind.ECG) == (digital + shift).tolist()
    assert info.unit_per_count == pytest.approx((262_143 + 262_144) / (2**24 - 1), rel=1e-12)


def test_breaks_of_a_discontinuous_file_are_gaps(tmp_path: Path) -> None:
    data = ramp(3_000, low=-1, high=1)
    note = (edfio.EdfAnnotation(0.5, None, "start"),)
    path = write(tmp_path / "a.edf", signal("ECG", data, rate_hz=100, unit="mV", limits=(-1, 1)), annotations=note)
    whole, whole_events = read(path)
    header, record_bytes = 256 * 3, edf_record_bytes(path)
    written = bytearray(path.read_bytes())
    written[192:197] = b"EDF+D"  # the same file without records 10 to 19, as a recorder on pause writes it
    written[236:244] = b"20      "
    del written[header + 10 * record_bytes : header + 20 * record_bytes]
    path.write_bytes(bytes(written))
    recording, events = read(path)
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.n_missing, gap.reason) == (1_000, GapReason.FILE_BREAK)
    assert (gap.start_ns, gap.end_ns) == (round(9.99 * NS_PER_S), 20 * NS_PER_S)
    before = counts_of(whole, whole_events, SignalKind.ECG)
    assert counts_of(recording, events, SignalKind.ECG) == before[:1_000] + before[2_000:]
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)


def edf_record_bytes(path: Path) -> int:
    head = path.read_bytes()[: 256 * 3]
    lengths = head[256 + 2 * (16 + 80 + 8 * 5 + 80) :][:16]
    return 2 * sum(int(lengths[8 * k : 8 * k + 8]) for k in range(2))


def test_a_file_cut_short_is_used_up_to_the_cut(plain: Path) -> None:
    data = plain.read_bytes()
    plain.write_bytes(data[: len(data) - 700])
    recording, events = read(plain)
    assert len(counts_of(recording, events, SignalKind.ECG)) == 9 * 256
    (problem,) = [event.problem for event in events if isinstance(event, Dropped)]
    assert "ends after 9 of 10 records" in problem


def test_a_signal_upside_down_is_turned(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal("ECG", ramp(200, low=-1, high=1), rate_hz=100, unit="mV", limits=(-1, 1)))
    written = path.read_bytes()
    at = 256 + 16 + 80 + 8
    path.write_bytes(written[:at] + written[at + 8 : at + 16] + written[at : at + 8] + written[at + 16 :])
    recording, events = read(path)
    values = np.array(counts_of(recording, events, SignalKind.ECG)) * recording.streams[0].unit_per_count / 1_000
    assert np.allclose(values, -ramp(200, low=-1, high=1), atol=1e-4)


def test_two_of_a_kind_are_asked_for(tmp_path: Path) -> None:
    leads = [signal(name, ramp(200, low=-1, high=1), rate_hz=100, unit="mV", limits=(-1, 1)) for name in ("V2", "V5")]
    path = write(tmp_path / "a.edf", *leads)
    with pytest.raises(RecordingError, match=r"'V2' and 'V5' among #1 'V2' \(mV, 100 Hz\); #2 .*--signal"):
        read(path)
    recording, _ = read(path, signals=("V5=ecg",))
    assert [info.kind for info in recording.streams] == [SignalKind.ECG]
    recording, _ = read(path, signals=("#1=ecg", "v5=resp"))
    assert [info.kind for info in recording.streams] == [SignalKind.ECG, SignalKind.RESPIRATION]


def test_a_unit_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal("EDA", ramp(80, low=0, high=9), rate_hz=8, unit="", limits=(0, 10)))
    with pytest.raises(RecordingError, match='--signal "EDA=skin_conductance:UNIT"'):
        read(path)
    recording, _ = read(path, signals=("EDA=eda:uS",))
    assert recording.streams[0].unit == "uS"


def test_a_unit_that_is_missing_spoils_no_other_signal(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.edf",
        signal("EDA", ramp(80, low=0, high=9), rate_hz=8, unit="", limits=(0, 10)),
        signal("ECG", ramp(2_000, low=-1, high=1), rate_hz=200, unit="mV", limits=(-1, 1)),
    )
    recording, _ = read(path)
    assert [info.kind for info in recording.streams] == [SignalKind.ECG]
    assert recording.warnings[1] == "EDA is not used: its unit '' is not one of skin_conductance"


@pytest.mark.parametrize(
    ("at", "cell", "why"),
    [
        (252, b"0   ", "number of signals"),
        (252, b"abcd", "number of signals"),
        (244, b"soon    ", "length of a record"),
        (236, b"ten     ", "number of records"),
        (256 + 4 * (16 + 80 + 8), b"5       5       ", "limits of"),
    ],
)
def test_odd_headers_are_refused_in_words(plain: Path, at: int, cell: bytes, why: str) -> None:
    data = bytearray(plain.read_bytes())
    if at > 256:  # the two limits of the first signal lie apart: all minima, then all maxima
        data[at : at + 8] = data[at + 32 : at + 40] = cell[:8]
    else:
        data[at : at + len(cell)] = cell
    plain.write_bytes(bytes(data))
    with pytest.raises(RecordingError, match=why):
        read(plain)


def test_a_header_that_ends_early_is_refused(plain: Path) -> None:
    plain.write_bytes(plain.read_bytes()[:700])
    with pytest.raises(RecordingError, match="whole header"):
        read(plain)
