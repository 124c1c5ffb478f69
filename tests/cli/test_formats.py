"""`becalm analyse` on recordings of other programs: the same findings, and questions in words."""

import json
import struct
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from becalm_cli.analyse import analyse_recording

Becalm = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def edfio() -> Any:
    return pytest.importorskip("edfio", reason="the independent writer edfio is not installed")


def write_edf(edfio: Any, path: Path, labels: tuple[str, ...], *, csv: Path) -> Path:
    """Write the columns of a CSV recording of a person at rest (ECG, breathing, skin) as EDF, 60 s long."""
    np = import_module("numpy")
    table = np.genfromtxt(csv, delimiter=",", names=True, max_rows=6_000)
    columns = (("ecg_mv", "mV", (-5, 5)), ("rsp_au", "", (-50, 50)), ("eda_us", "uS", (0, 50)))
    signals = [
        edfio.EdfSignal(table[name], 100, label=label, physical_dimension=unit, physical_range=limits)
        for (name, unit, limits), label in zip(columns, labels, strict=False)
    ]
    edfio.Edf(signals).write(path)
    return path


def test_an_edf_gives_what_its_csv_gives(edfio: Any, data: Path, tmp_path: Path) -> None:
    csv = data / "neurokit" / "resting_8min_100hz.csv.gz"
    path = write_edf(edfio, tmp_path / "a.edf", ("ECG II", "Resp", "EDA"), csv=csv)
    import gzip

    with gzip.open(csv, "rt", encoding="utf-8") as file:
        (tmp_path / "a.csv").write_text("".join(next(file) for _ in range(6_001)), encoding="utf-8")
    told = analyse_recording(path, out=tmp_path / "edf", rate_hz=None, chunk_ms=250, report=False)
    reference = analyse_recording(tmp_path / "a.csv", out=tmp_path / "csv", rate_hz=100.0, chunk_ms=250, report=False)
    assert (told["n_beats"], told["n_breaths"], told["n_scr"]) == (
        reference["n_beats"], reference["n_breaths"], reference["n_scr"],
    )  # fmt: skip
    assert told["n_beats"] > 50
    assert told["dropped"] == []


def test_which_signal_is_which_is_asked_and_answered(edfio: Any, data: Path, tmp_path: Path, becalm: Becalm) -> None:
    csv = data / "neurokit" / "resting_8min_100hz.csv.gz"
    path = write_edf(edfio, tmp_path / "a.edf", ("EX1", "EX2", "EX3"), csv=csv)
    refused = becalm("analyse", str(path), "--out", str(tmp_path / "out"))
    assert refused.returncode == 2
    assert "#1 'EX1' (mV, 100 Hz); #2 'EX2' (no unit, 100 Hz)" in refused.stderr
    assert "--signal" in refused.stderr
    words = ("--signal", "EX1=ecg", "--signal", "#2=resp", "--no-report")
    accepted = becalm("analyse", str(path), "--out", str(tmp_path / "out"), *words)
    assert accepted.returncode == 0, accepted.stderr
    assert "Used: EX1 as ecg, EX2 as respiration. Not used: EX3" in accepted.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["n_beats"] > 50


def test_a_library_that_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from becalm_protocol.errors import RecordingError

    (tmp_path / "a.xdf").write_bytes(b"XDF:" + b"\x01\x02" + struct.pack("<H", 1))
    (tmp_path / "a.fit").write_bytes(bytes(8) + b".FIT" + bytes(10))
    for name, library in (("a.xdf", "pyxdf"), ("a.fit", "fitdecode")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(RecordingError, match=rf"expected the library {library} .* install becalm\[formats\]"):
            analyse_recording(tmp_path / name, out=tmp_path / "out", rate_hz=None, chunk_ms=250, report=False)
