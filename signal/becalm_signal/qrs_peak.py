"""One R peak, as the detector hands it to the ECG stage."""

from dataclasses import dataclass

from becalm_signal.qrs_shapes import Shape


@dataclass(slots=True)
class Peak:
    """One R peak: position in input samples since the start (sub-sample), and height in the unit of the signal."""

    at: float
    height: float
    is_known: bool = False
    """Whether it looks like beats before it."""
    is_usual: bool = False
    """Whether these are beats that this heart has shown often."""
    is_steady: bool = False
    """Whether it looks like a beat before it and is as large as the last such."""
    is_strange: bool = False
    """Whether it is unlike all of the heart that was heard before electrodes came off, in any size and turned."""
    kind: Shape | None = None
    """The kind of beats that it has become one of."""
    error_ms: float = 0.0
    """Standard deviation of its time."""
