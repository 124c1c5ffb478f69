"""Nanosecond helpers. Session time is an int of nanoseconds since the session began (`t_ns`)."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
RR_TICKS_PER_S = 1024
"""Bluetooth Heart Rate Service 1.0: RR intervals are counts of 1/1024 s."""


def ns_from_s(seconds: float) -> int:
    """Nanoseconds, rounded to the nearest integer, from seconds."""
    return round(seconds * NS_PER_S)


def s_from_ns(t_ns: int) -> float:
    """Seconds from integer nanoseconds."""
    return t_ns / NS_PER_S


def ms_from_rr_ticks(ticks: int) -> float:
    """Milliseconds from a Heart Rate Service RR count (1/1024 s)."""
    return ticks * 1000 / RR_TICKS_PER_S
