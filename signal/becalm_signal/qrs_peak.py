"""One R peak, as the detector hands it to the ECG stage."""

from dataclasses import dataclass


@dataclass(slots=True)
class Peak:
    """One R peak: position in input samples since the start (sub-sample), and height in the unit of the signal."""

    at: float
    height: float
    is_known: bool = False  # looks like beats before it
    is_steady: bool = False  # and is like one of them in size, too
    is_new: bool = False  # but like none of the heart that was heard before electrodes came off
    error_ms: float = 0.0  # standard deviation of its time
