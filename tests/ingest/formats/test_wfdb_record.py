"""WFDB records written by PhysioNet's own Python package are read to the count, in every storage format it writes."""

from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.formats.wfdb_codes import CODES
from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Dropped, Gap, GapReason, RawEvent, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_S

np = pytest.importorskip("numpy")


@pytest.fixture
def wfdb() -> Any:
    return pytest.importorskip("wfdb", reason="the independent writer wfdb is not installed")


def read(path: Path, *, signals: tuple[str, ...] = (), chunk_ms: int = 250) -> tuple[Any, list[RawEvent]]:
    recording = read_recording(path, rate_hz=None, chunk_ms=chunk_ms, signals=signals)
    return recording, list(recording.events())


def counts_of(recording: Any, events: list[RawEvent], kind: SignalKind) -> list[int]:
    (stream_id,) = [info.stream_id for info in recording.streams if info.kind is kind]
    return [c for e in events if isinstance(e, SampleBlock) and e.stream_id == stream_id for c in e.counts]


def write(wfdb: Any, folder: Path, digital: Any, **more: Any) -> Path:
    n = digital.shape[1]
    told = {
        "fs": 360, "units": ["mV"] * n, "sig_name": ["MLII", "V5", "RESP"][:n], "fmt": ["212"] * n,
        "adc_gain": [200.0] * n, "baseline": [1024] * n, **more,
    }  # fmt: skip
    wfdb.wrsamp("rec", d_signal=digital, write_dir=str(folder), **told)
    return folder / "rec.hea"


def noise(n: int, channels: int, *, bits: int) -> Any:
    half = 2 ** (bits - 1) - 1
    return np.random.default_rng(5).integers(-half, half, size=(n, channels), endpoint=True)


@pytest.mark.parametrize(("code", "bits"), [("16", 16), ("212", 12), ("80", 8), ("24", 24), ("32", 31)])
@pytest.mark.parametrize("n", [4_097, 3_000])
def test_every_count_of_every_format(wfdb: Any, tmp_path: Path, code: str, bits: int, n: int) -> None:
    digital = noise(n, 2, bits=bits)
    path = write(wfdb, tmp_path, digital, fmt=[code, code], baseline=[7, 0])
    recording, events = read(path, signals=("MLII=ecg", "V5=resp"))
    assert counts_of(recording, events, SignalKind.ECG) == (digital[:, 0] - 7).tolist()
    assert counts_of(recording, events, SignalKind.RESPIRATION) == digital[:, 1].tolist()
    (ecg,) = [info for info in recording.streams if info.kind is SignalKind.ECG]
    assert (ecg.unit, ecg.unit_per_count, ecg.sample_rate_hz) == ("uV", 5.0, 360.0)
    assert not any(isinstance(event, Gap | Dropped) for event in events)


def test_the_formats_that_the_package_only_reads(wfdb: Any, tmp_path: Path) -> None:
    words = np.random.default_rng(6).integers(0, 2**16, size=2 * 900, dtype=np.uint16)
    for code in (61, 160, 310, 311):
        if code == 311:
            words[1::2] &= 0x3FFF  # three times ten bits: the upper two of each 32 are none
        (tmp_path / "rec.dat").write_bytes(words.tobytes())
        n = 1_800 if code in (61, 160) else 2_700
        (tmp_path / "rec.hea").write_text(f"rec 1 100 {n}\nrec.dat {code} 200(0)/mV 12 0 0 0 0 ECG\n")
        reference = wfdb.rdrecord(str(tmp_path / "rec"), physical=False).d_signal[:, 0]
        missing = [k for k, count in enumerate(reference.tolist()) if count == CODES[code].invalid]
        recording, events = read(tmp_path / "rec.dat")
        expected = [count for k, count in enumerate(reference.tolist()) if k not in set(missing)]
        assert counts_of(recording, events, SignalKind.ECG) == expected, code


def test_several_samples_a_frame_and_files(wfdb: Any, tmp_path: Path) -> None:
    ecg, resp = noise(8_000, 1, bits=16)[:, 0], noise(2_000, 1, bits=12)[:, 0]
    wfdb.wrsamp(
        "rec", fs=125, units=["mV", "pm"], sig_name=["II", "RESP"], fmt=["16", "16"], adc_gain=[1_000.0, 10.0],
        baseline=[0, -5], samps_per_frame=[4, 1], e_d_signal=[ecg, resp], write_dir=str(tmp_path),
    )  # fmt: skip
    recording, events = read(tmp_path / "rec.hea")
    assert {info.kind: info.sample_rate_hz for info in recording.streams} == {
        SignalKind.ECG: 500.0,
        SignalKind.RESPIRATION: 125.0,
    }
    assert counts_of(recording, events, SignalKind.ECG) == ecg.tolist()
    assert counts_of(recording, events, SignalKind.RESPIRATION) == (resp + 5).tolist()
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)


def test_invalid_samples_are_gaps(wfdb: Any, tmp_path: Path) -> None:
    digital = noise(1_000, 1, bits=11)
    digital[200:300] = -2_048
    recording, events = read(write(wfdb, tmp_path, digital, baseline=[0]))
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.n_missing, gap.reason) == (100, GapReason.NOT_A_NUMBER)
    assert (gap.start_ns, gap.end_ns) == (round(199 * NS_PER_S / 360), round(300 * NS_PER_S / 360))
    assert counts_of(recording, events, SignalKind.ECG) == digital[:200, 0].tolist() + digital[300:, 0].tolist()


def test_the_lead_that_monitors_show_is_preferred(wfdb: Any, tmp_path: Path) -> None:
    recording, _ = read(write(wfdb, tmp_path, noise(500, 3, bits=11)))
    assert {info.kind for info in recording.streams} == {SignalKind.ECG, SignalKind.RESPIRATION}
    assert "MLII as ecg" in recording.warnings[0]
    assert "V5" in recording.warnings[0]


def test_a_real_record_gives_the_samples_of_its_csv(wfdb: Any, data_dir: Path, tmp_path: Path) -> None:
    csv = data_dir / "mitdb" / "100.csv.gz"
    whole = read_recording(csv, rate_hz=360.0, chunk_ms=250)
    from_csv = [c for e in whole.events() if isinstance(e, SampleBlock) for c in e.counts][:50_000]
    millivolts = np.array(from_csv) * 1e-5
    path = write(wfdb, tmp_path, np.round(millivolts * 200).astype(int).reshape(-1, 1) + 1024)
    recording, events = read(path)
    from_wfdb = np.array(counts_of(recording, events, SignalKind.ECG)) * recording.streams[0].unit_per_count
    assert np.allclose(from_wfdb, np.array(from_csv) * 0.01, atol=1e-6)


def test_a_record_cut_short_is_used_up_to_the_cut(wfdb: Any, tmp_path: Path) -> None:
    path = write(wfdb, tmp_path, noise(1_000, 2, bits=11))
    (tmp_path / "rec.dat").write_bytes((tmp_path / "rec.dat").read_bytes()[:1_500])
    recording, events = read(path, signals=("MLII=ecg",))
    assert len(counts_of(recording, events, SignalKind.ECG)) == 500
    assert [e.problem for e in events if isinstance(e, Dropped)] == [
        "the signals end after 500 of 1000 samples; what is there is used"
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no line"),
        ("rec\n", "line 1: expected NAME"),
        ("rec x 360\n", "line 1: expected NAME"),
        ("rec/3 2 360 1000\n", "one of several"),
        ("rec 2 360 10\nrec.dat 16\n", "2 signal lines, got 1"),
        ("rec 1 0 10\nrec.dat 16\n", "above 0"),
        ("rec 1 nan 10\nrec.dat 16\n", "above 0"),
        ("rec 1 360 10\n# note\nrec.dat banana\n", "line 3: expected FILE FORMAT"),
        ("rec 1 360 10\nrec.dat 16 x/mV\n", "line 2: expected FILE FORMAT"),
        ("rec 1 360 10\nrec.dat 508\n", "line 2: expected storage format"),
        ("rec 1 360 10\nrec.dat 16:4\n", "without skew"),
        ("rec 1 360 10\n../../etc/passwd 16 200/mV 12 0 0 0 0 ECG\n", "beside the header"),
        ("rec 1 360 10\nabsent.dat 16 200/mV 12 0 0 0 0 ECG\n", "No such file"),
        ("rec 1 360 10\nrec.dat 16 200/mV 12 0 0 0 0 EEG\n", "--signal"),
        ("rec 1 360 10\nrec.dat 16 200/furlong 12 0 0 0 0 ECG\n", "unit we know, got 'furlong'"),
    ],
)
def test_what_cannot_be_played_is_said(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "rec.hea"
    path.write_text(text)
    with pytest.raises(RecordingError, match=why):
        read(path)
