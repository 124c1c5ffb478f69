"""The words of a session's page: of signals and indices, never of the person, and without a name for any condition."""

from becalm_protocol.derived import Reason

KINDS = {
    "ecg": "ECG",
    "rr": "Intervals between beats",
    "ppi": "Intervals between pulses",
    "respiration": "Breathing (belt)",
    "acceleration_x": "Acceleration, x",
    "acceleration_y": "Acceleration, y",
    "acceleration_z": "Acceleration, z",
    "angular_velocity_x": "Turning, x",
    "angular_velocity_y": "Turning, y",
    "angular_velocity_z": "Turning, z",
    "ppg_1": "Pulse (light 1)",
    "ppg_2": "Pulse (light 2)",
    "ppg_3": "Pulse (light 3)",
    "ppg_ambient": "Light around",
    "skin_conductance": "Skin conductance",
}
INDICES = {
    "arousal": ("Arousal", ""),
    "heart_rate_bpm": ("Heart rate", "/min"),
    "breathing_rate_bpm": ("Breathing rate", "/min"),
    "scl_us": ("Skin level", "\u00b5S"),
    "mean_rr_ms": ("Mean interval", "ms"),
    "sdnn_ms": ("SDNN", "ms"),
    "rmssd_ms": ("RMSSD", "ms"),
    "pnn50_pct": ("pNN50", "%"),
    "sd1_ms": ("SD1", "ms"),
    "sd2_ms": ("SD2", "ms"),
    "rmssd_300s_ms": ("RMSSD over 5 min", "ms"),
    "sdnn_300s_ms": ("SDNN over 5 min", "ms"),
    "lf_ms2": ("Power 0.04 to 0.15 Hz", "ms\u00b2"),
    "hf_ms2": ("Power 0.15 to 0.4 Hz", "ms\u00b2"),
    "rsa_ms": ("Swing within a breath (RSA)", "ms"),
}
FEATURES = {
    "heart_rate_bpm": "heart rate",
    "ln_rmssd": "RMSSD",
    "scl_us": "skin level",
    "scr_per_min": "skin responses",
    "breathing_rate_bpm": "breathing rate",
    "breath_irregularity": "how even the breath was",
}
REASONS = {
    Reason.NO_SENSOR: "no sensor for it",
    Reason.WARMING_UP: "getting ready",
    Reason.SENSOR_LOST: "sensor out of reach",
    Reason.NOISY: "too much noise",
    Reason.FLAT: "no change in the signal",
    Reason.SATURATED: "beyond what the sensor can show",
    Reason.OUT_OF_RANGE: "values no body has",
    Reason.TOO_FEW_BEATS: "not enough beats",
    Reason.TOO_MANY_ARTEFACTS: "too many beats were unclear",
    Reason.NO_BREATH: "no whole breath",
    Reason.BASELINE: "no quiet minute to compare with",
    Reason.TOO_FEW_SIGNALS: "not enough signals",
    Reason.MOTION: "movement",
    Reason.POWERLINE: "mains in the signal",
    Reason.CLIPPED: "cut off by the amplifier",
    Reason.POOR_CONTACT: "unsteady contact",
    Reason.OFF_BODY: "sensor off the body",
    Reason.NOT_PACED: "no pacer",
    Reason.UNRELATED: "the two signals do not move together",
    Reason.DISAGREES: "two sensors tell of different beats",
    Reason.CANNOT_TELL: "the data hold a fall as well as a rise",
}
AGAIN = {
    "interrupted": "the server was interrupted while the session ran",
    "cut": "the session ended before all of it had been looked at",
    "given_up": "it could not be looked at while it ran",
    "late": "some of it came after the end",
    "windows": "some windows of NeuroKit2 were left out at first",
}
PARTS = {"baseline": "Baseline", "practice": "Practice", "whole": "Whole session"}
NO_PRACTICE = "There was no practice: what is told here is of the whole session."
SCALE = (
    "Arousal is the person\u2019s own scale: 50 is how this very session began, its first minute, and the second as "
    "long as no pacer ran; higher is more active. It combines heart, skin and breath as far as they were measured, "
    "compares a person with themselves only, and is not an emotion."
)
BOUNDS = (
    "Each value stands with the half width of its 95 % interval: errors of measurement, not how much a body varies by "
    "itself. What could not be told with such an interval was withheld, and nothing is drawn there."
)
NEUROKIT = (
    "NeuroKit2 is a second, independent program on the same intervals: the median of its windows in the part that its "
    "column names, of 5 min where the index says so and for the powers. It tells no interval of error, and its RSA "
    "looks at fixed halves of a breath: it is smaller."
)


def reason(name: str | None) -> str:
    """Return why something was withheld."""
    return REASONS[Reason(name)] if name in {one.value for one in Reason} else "not told"


def number(told: float, *, digits: int = 3) -> str:
    """Return so many digits that count, and never fewer than there are before the point."""
    return f"{told:,.0f}" if abs(told) >= 10 ** (digits - 1) else f"{told:.{digits}g}"


def made_of(shares: dict[str, float]) -> str:
    """Return in a sentence what arousal was made of; empty where nothing tells."""
    named = [f"{words} ({shares[name]:.0%})" for name, words in FEATURES.items() if name in shares]
    if not named:
        return ""
    return f"Here it was made of {', '.join(named)}: in brackets, in how many of the seconds in which it was told."


def subsidence(told: dict[str, object] | None) -> str:
    """Return in a sentence whether arousal fell during practice."""
    if told is None:
        return "Whether arousal fell during practice cannot be told: nothing was measured for long enough."
    fall, bound = told.get("value"), told.get("bound")
    if not isinstance(fall, int | float) or not isinstance(bound, int | float):
        why = told.get("reason")
        return f"Whether arousal fell during practice cannot be told: {reason(why if isinstance(why, str) else None)}."
    where = "lower" if fall >= 0 else "higher"
    told_fall = f"{number(abs(fall), digits=2)} \u00b1 {number(bound, digits=2)} points {where}"
    return f"At the end of practice arousal was {told_fall} than in its first minute."
