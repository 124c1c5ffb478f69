"""The codes of a FHIR export: LOINC for the three indices that have one, our own code system for all others."""

from typing import Any

from becalm_protocol.derived import Metrics, SlowMetrics
from becalm_protocol.events import SignalKind

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
LOCAL = "urn:becalm:signals-and-indices"
LOINC_OF = {
    "heart_rate_bpm": ("8867-4", "Heart rate"),
    "breathing_rate_bpm": ("9279-1", "Respiratory rate"),
    "sdnn_ms": ("80404-7", "R-R interval.standard deviation (Heart rate variability)"),
    "sdnn_300s_ms": ("80404-7", "R-R interval.standard deviation (Heart rate variability)"),
}
"""80404-7 is SDNN and nothing else: RMSSD and skin conductance have no code in LOINC."""
BOUND = "bound"
# UCUM's own spellings; `mg` would be milligrams there.
_UCUM_OF_UNIT = {"mg": "m[g]", "dps": "deg/s", "au": "[arb'U]"}
_UCUM_ENDINGS = (
    ("_per_min", "/min"), ("_bpm", "/min"), ("_pct", "%"), ("_ms2", "ms2"), ("_deg", "deg"), ("_hz", "Hz"),
    ("_ms", "ms"), ("_us", "uS"), ("_s", "s"),
)  # fmt: skip
_SCORES = frozenset({"arousal", "subsidence"})
_DISPLAYS = {
    "rmssd_ms": "RMSSD, 60 s",
    "scl_us": "Skin conductance level",
    "scr_per_min": "Skin conductance responses a minute",
    "arousal": "Arousal against the person's own quiet minute, which is 50",
    BOUND: "Half width of a 95 % interval",
}


def coding(code: str) -> dict[str, Any]:
    """Return the CodeableConcept of an index or a signal: LOINC's code first where there is one, then ours."""
    local = {"system": LOCAL, "code": code, "display": display(code)}
    told = LOINC_OF.get(code)
    loinc = [] if told is None else [{"system": LOINC, "code": told[0], "display": told[1]}]
    return {"coding": [*loinc, local], "text": display(code)}


def display(code: str) -> str:
    """Return what a code stands for, in words."""
    return _DISPLAYS.get(code) or code.replace("_", " ")


def index_unit(name: str) -> str:
    """Return the UCUM unit of an index."""
    if name in _SCORES:
        return "{score}"
    return next((unit for ending, unit in _UCUM_ENDINGS if name.endswith(ending)), "1")


def signal_unit(unit: str) -> str:
    """Return the UCUM spelling of a stream's unit."""
    return _UCUM_OF_UNIT.get(unit, unit)


def code_system() -> dict[str, Any]:
    """Return our code system as a resource, so that a bundle explains itself."""
    codes = (*Metrics.index_names(), *SlowMetrics.index_names(), *(kind.value for kind in SignalKind), BOUND)
    return {
        "resourceType": "CodeSystem",
        "url": LOCAL,
        "name": "BecalmSignalsAndIndices",
        "status": "active",
        "content": "complete",
        "description": "Definitions: docs/indices.md",
        "concept": [{"code": code, "display": display(code)} for code in dict.fromkeys(codes)],
    }
