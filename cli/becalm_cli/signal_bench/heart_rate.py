"""Heart rate of whole recordings against the bedside monitor, or NeuroKit2 where no numerics of it are there."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.signal_bench import records, rivals
from becalm_cli.signal_bench.attempts import each
from becalm_cli.signal_bench.records import beats, columns, derive, stream
from becalm_protocol.derived import Derived, Metrics
from becalm_protocol.events import SignalKind

BIDMC_RATE_HZ = 125.0
WITHIN_BPM = 5.0
NUMERICS = (("{name}.numerics.csv", "hr_bpm"), ("{name}_Numerics.csv", "HR"), ("bidmc_{name}_Numerics.csv", "HR"))
"""The monitor's own heart rate, one a second: our layout, and that of BIDMC."""


def heart_rate(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score the whole-recording rate on `bidmc/` (intensive care, lead II) against the monitor, else NeuroKit2."""
    by_record, errors = each(records.recordings(data / "bidmc")[: 4 if quick else None], _rates)
    monitored = [rates for rates in by_record.values() if "monitor_bpm" in rates]
    result: dict[str, Any] = {
        "reference": "the bedside monitor where its numerics are there, else NeuroKit2 on the ECG and on the PPG",
        "records": len(by_record),
        "records_with_monitor": len(monitored),
        "within_5_bpm": sum(_near_reference(rates) for rates in by_record.values()),
        "ppg_within_5_bpm_of_ecg": sum(_near(r["becalm_ppg_bpm"], r["becalm_bpm"]) for r in by_record.values()),
    }
    for name in ("neurokit2_ecg_bpm", "neurokit2_ppg_bpm") if monitored else ():
        result[f"{name}_within_5_bpm_of_monitor"] = sum(_near(rates[name], rates["monitor_bpm"]) for rates in monitored)
    return result | {"by_record": by_record} | errors


def _rates(path: Path) -> dict[str, Any]:
    told = columns(path, "ecg_mv", "ppg_au")
    derived = derive((stream(SignalKind.ECG, rate_hz=BIDMC_RATE_HZ), 1000.0 * told["ecg_mv"]))
    shown = [event.heart_rate_bpm.value for event in derived if isinstance(event, Metrics)]
    known = [bpm for bpm in shown if bpm is not None]
    return {
        "becalm_bpm": _middle_bpm(derived),
        "shown_mean_bpm": round(float(np.mean(known)), 2) if known else None,
        "shown_pct": round(100.0 * len(known) / max(1, len(shown)), 1),
        "becalm_ppg_bpm": _middle_bpm(derive((stream(SignalKind.PPG_1, rate_hz=BIDMC_RATE_HZ), told["ppg_au"]))),
        **_monitor(path),
        **rivals.heart_rates(told["ecg_mv"], told["ppg_au"], rate_hz=BIDMC_RATE_HZ),
    }


def _monitor(path: Path) -> dict[str, float]:
    """Return the mean of what the monitor showed; nothing where its numerics are not there."""
    name = re.sub(r"(_Signals)?\.csv\.gz$", "", path.name)
    for pattern, column in NUMERICS:
        for beside in (pattern, f"{pattern}.gz"):
            numerics = path.with_name(beside.format(name=name))
            if numerics.exists():
                bpm = columns(numerics, column)[column]
                return {"monitor_bpm": round(float(np.mean(bpm[np.isfinite(bpm) & (bpm > 0.0)])), 2)}
    return {}


def _middle_bpm(derived: Sequence[Derived]) -> float | None:
    """Return the rate of the middle interval, as NeuroKit2 is held against it: monitors pass over early beats, too."""
    ours_ms = [beat.rr_ms for beat in beats(derived, confirmed=True) if beat.rr_ms is not None]
    return round(60_000.0 / float(np.median(ours_ms)), 2) if ours_ms else None


def _near(ours_bpm: float | None, other_bpm: float | None) -> bool:
    return ours_bpm is not None and other_bpm is not None and abs(ours_bpm - other_bpm) <= WITHIN_BPM


def _near_reference(rates: dict[str, float | None]) -> bool:
    by = ("monitor_bpm",) if "monitor_bpm" in rates else ("neurokit2_ecg_bpm", "neurokit2_ppg_bpm")
    return any(_near(rates["becalm_bpm"], rates[name]) for name in by)
