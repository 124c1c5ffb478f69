"""Which signal of a file is which: one table of labels and units, and what a person says with `--signal`."""

import re

from becalm_ingest.devices.skin_transfer import FROM_COUNTS
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import SignalKind, value

OPTION = "--signal"
_ECG, _RESPIRATION = SignalKind.ECG, SignalKind.RESPIRATION
_SKIN, _RR = SignalKind.SKIN_CONDUCTANCE, SignalKind.RR

LABELS: tuple[tuple[SignalKind, str], ...] = (
    (_ECG, r"((ecg|ekg)[ _.-]*)?((lead|ml|modified lead)[ _.-]*)?(ii|2)|ecg|ekg|electrocardiogram"),
    (_ECG, r"(ecg|ekg|electrocardio).*"),
    (_ECG, r"(lead[ _.-]*|ml)?i"),
    (_ECG, r"(lead[ _.-]*|ml)?iii|avr|avl|avf|v|v[1-6]|mcl[1-6]?|mv[1-6]|cm[1-6]|cc5|d3|d4"),
    (_RESPIRATION, r"resp|rsp|respiration|respiratory|breath|breathing|rip|respiratory inductance|pneumo(gram)?|force"),
    (_RESPIRATION, r"(resp|rsp|breath|vermogen|belt)(?!.*(rate|nas|oro|flow|therm|co2|abd)).*"),
    (_RESPIRATION, r".*(thor|chest|tho res).*"),
    (_RESPIRATION, r".*(abdo|belly).*"),
    (_RESPIRATION, r"(?!.*(rate|co2)).*(nasal|oro|airflow|flow|thermistor).*"),
    (_SKIN, r"eda|gsr|sc|scl|skin conductance( level)?|gsr[ _]skin[ _]conductance|electrodermal( activity)?"),
    (_SKIN, r"(eda|gsr|skin conductance|skin_conductance|electrodermal).*"),
    (_RR, r"rr|rri|ibi|rr[ _-]?intervals?|rr-?i|inter[ -]?beat[ -]?intervals?|r-r|hrv"),
    (_RR, r"(rr|ibi)([ _.(\[-].*)"),
)
"""The kind of a label, by regular expression over its whole (lower case); of each kind the earlier row is preferred."""

UNITS: dict[SignalKind, dict[str, float]] = {
    _ECG: {
        **dict.fromkeys(("uv", "microvolt", "microvolts"), 1.0),
        **dict.fromkeys(("mv", "millivolt", "millivolts"), 1e3),
        **dict.fromkeys(("v", "volt", "volts"), 1e6),
        **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-3),
    },
    _SKIN: {
        **dict.fromkeys(("us", "usiemens", "microsiemens", "microsiemen", "umho", "micromho", "umhos"), 1.0),
        **dict.fromkeys(("ns", "nanosiemens"), 1e-3),
        **dict.fromkeys(("millisiemens",), 1e3),
        **dict.fromkeys(("s", "siemens"), 1e6),
    },
    _RR: {
        **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1.0),
        **dict.fromkeys(("s", "sec", "second", "seconds"), 1e3),
    },
}
"""What a value in that unit is multiplied by to be in uV, uS or ms. Respiration may have any unit: its shape counts."""

OURS = {_ECG: "uV", _SKIN: "uS", _RESPIRATION: "au", _RR: "1/1024 s"}
NAMES: dict[str, SignalKind] = {
    **dict.fromkeys(("ecg", "ekg"), _ECG),
    **dict.fromkeys(("respiration", "resp", "rsp"), _RESPIRATION),
    **dict.fromkeys(("skin_conductance", "eda", "gsr", "sc"), _SKIN),
    "rr": _RR,
}
"""The words for a kind in `--signal LABEL=WORD`."""

QUANTUM: dict[SignalKind, float] = {_ECG: 0.01, _RESPIRATION: 1e-4, _SKIN: 1e-4}
"""Step of the integers that stand for decimal numbers, in our unit: finer than any sensor, wide enough for 32 bits."""


@value
class Choice:
    """What a person said of one signal."""

    label: str
    """The label in the file, or #2 for the second signal."""
    kind: SignalKind
    unit: str | None = None
    """Stands in place of the file's own."""
    transfer: str | None = None
    """Its values are counts of a converter: the name of the way from there to uS."""


def parse_choice(text: str) -> Choice:
    """Return the choice in `LABEL=KIND`, `LABEL=KIND:UNIT` or `LABEL=eda:TRANSFER`. Raises ConfigError."""
    label, _, told = text.rpartition("=")
    word, _, unit = told.partition(":")
    kind = NAMES.get(word.strip().lower())
    if not label.strip() or kind is None:
        raise ConfigError(
            f"expected LABEL=KIND or LABEL=KIND:UNIT, KIND one of {', '.join(NAMES)}, got {text[:60]!r}", setting=OPTION
        )
    if kind is SignalKind.SKIN_CONDUCTANCE and unit.strip().lower() in FROM_COUNTS:
        return Choice(label=label.strip(), kind=kind, unit="uS", transfer=unit.strip().lower())
    if unit.strip() and factor(kind, unit) is None:
        counts = f", or for raw counts {', '.join(FROM_COUNTS)}" if kind is SignalKind.SKIN_CONDUCTANCE else ""
        raise ConfigError(
            f"expected one of {', '.join(UNITS[kind])} as the unit of {word.strip()}{counts}, "
            f"got {unit.strip()[:20]!r}",
            setting=OPTION,
        )
    return Choice(label=label.strip(), kind=kind, unit=unit.strip() or None)


def recognise(label: str) -> tuple[SignalKind, int] | None:
    """Return the kind that a label tells and its rank in the table, the preferred lowest; None for other signals."""
    plain = re.sub(r"\s+", " ", label).strip(" ,.:;_-").lower()
    for rank, (kind, pattern) in enumerate(LABELS):
        if re.fullmatch(pattern, plain):
            return kind, rank
    return None


def factor(kind: SignalKind, unit: str) -> float | None:
    """Return what turns a value in `unit` into one in ours, None where nothing does."""
    if kind is SignalKind.RESPIRATION:
        return 1.0
    plain = unit.strip().replace("\u00b5", "u").replace("\u03bc", "u")
    if kind is SignalKind.SKIN_CONDUCTANCE and plain == "mS":
        return 1e3
    return UNITS[kind].get(plain.casefold())


def unit_of(kind: SignalKind, unit: str) -> str:
    """Return our unit for a signal that came in `unit`."""
    if kind is SignalKind.RESPIRATION and unit.strip().casefold() in ("n", "newton", "newtons"):
        return "N"
    return OURS[kind]
