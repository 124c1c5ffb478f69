"""The language of faults: `t=SECONDS KIND [AMOUNT] [[for] SECONDS] [sensor=NAME]`, one line a fault.

`t` is body time. `t=60 silent 20 sensor=belt`: from second 60 on nothing passes between the belt and its peer for 20 s.
Without `sensor=` a fault befalls every sensor.
"""

import re
from enum import StrEnum

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import require, require_text, value
from becalm_protocol.units import NS_PER_MS, NS_PER_S

SETTING = "fault"
# A day: the virtual person does not live longer in one go.
MAX_AT_S = 86_400
_MIN_SPAN_NS, _MAX_SPAN_NS = 100 * NS_PER_MS, 3600 * NS_PER_S
_SPAN_RANGE = "0.1 to 3600 s"
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,9}", re.ASCII)


class FaultKind(StrEnum):
    """What goes wrong."""

    OUT_OF_RANGE = "out_of_range"
    """Out of range; a longer absence ends the link by time-out."""
    SILENT = "silent"
    """The link seems to be up, but nothing passes."""
    DROP = "drop"
    """The sensor ends the link now, and advertises again."""
    DELAY = "delay"
    """Packets come up to MS milliseconds late, in order."""
    DUPLICATE = "duplicate"
    """Each notification is delivered twice."""
    REORDER = "reorder"
    """Notifications of different characteristics overtake each other, never those of one."""
    LOSE = "lose"
    """The sensor's buffer overruns: its next N notifications are never sent."""
    ADAPTER_GONE = "adapter_gone"
    """The agent's Bluetooth adapter is away, and returns."""
    HELD = "held"
    """Another host has connected: no advertising, no connection."""
    DEAD_BATTERY = "dead_battery"
    """The battery falls to nothing within FADE_S seconds, then the sensor is off (for S: then a fresh battery)."""
    FLAPPING = "flapping"
    """It takes connections and drops each after a second."""
    CLOCK_RESET = "clock_reset"
    """The sensor's clock starts again at its first moment (2019 on a strap)."""
    CLOCK_JUMP = "clock_jump"
    """The sensor's clock jumps by MS milliseconds, forwards or backwards."""
    NEEDS_BONDING = "needs_bonding"
    """Commands and streams are refused until the peer has paired."""
    SMALL_MTU = "small_mtu"
    """The link is made anew, with an MTU of at most N bytes."""


class Span(StrEnum):
    """Whether a kind takes a length of time."""

    NONE = "none"
    """It is over in a moment."""
    FOR_EVER = "for ever"
    OPTIONAL = "optional"
    """Without it the fault lasts for ever."""
    REQUIRED = "required"


@value
class Amount:
    """The number a kind takes, and its range."""

    name: str
    low: int
    high: int
    unit: str


@value
class Form:
    """How a kind is written."""

    span: Span = Span.NONE
    amount: Amount | None = None
    of_adapter: bool = False
    """It befalls the agent's adapter, not a sensor."""

    @property
    def takes_span(self) -> bool:
        """Whether a length of time may be said."""
        return self.span in (Span.OPTIONAL, Span.REQUIRED)

    def text(self, kind: FaultKind) -> str:
        """Return how it is written."""
        words = [str(kind)]
        if self.amount is not None:
            words.append(self.amount.name)
        if self.takes_span:
            span = "S" if self.amount is None else "for S"
            words.append(span if self.span is Span.REQUIRED else f"[{span}]")
        return " ".join(words)


FORMS = {
    FaultKind.OUT_OF_RANGE: Form(span=Span.REQUIRED),
    FaultKind.SILENT: Form(span=Span.REQUIRED),
    FaultKind.DROP: Form(),
    FaultKind.DELAY: Form(span=Span.REQUIRED, amount=Amount(name="MS", low=1, high=5000, unit="ms")),
    FaultKind.DUPLICATE: Form(span=Span.REQUIRED),
    FaultKind.REORDER: Form(span=Span.REQUIRED),
    FaultKind.LOSE: Form(amount=Amount(name="N", low=1, high=1000, unit="notifications")),
    FaultKind.ADAPTER_GONE: Form(span=Span.REQUIRED, of_adapter=True),
    FaultKind.HELD: Form(span=Span.REQUIRED),
    FaultKind.DEAD_BATTERY: Form(span=Span.OPTIONAL, amount=Amount(name="FADE_S", low=1, high=3600, unit="s")),
    FaultKind.FLAPPING: Form(span=Span.REQUIRED),
    FaultKind.CLOCK_RESET: Form(),
    FaultKind.CLOCK_JUMP: Form(amount=Amount(name="MS", low=-86_400_000, high=86_400_000, unit="ms")),
    FaultKind.NEEDS_BONDING: Form(span=Span.FOR_EVER),
    FaultKind.SMALL_MTU: Form(span=Span.OPTIONAL, amount=Amount(name="N", low=23, high=516, unit="bytes")),
}


@value
class Fault:
    """One fault of a plan."""

    at_ns: int
    """Body time."""
    kind: FaultKind
    span_ns: int | None = None
    """How long it lasts; None: a moment, or for ever where its kind has no end."""
    amount: int | None = None
    """The number its kind takes, in the unit of its form."""
    sensor: str | None = None
    """Part of the sensor's name, or its word in the wardrobe; None: all of them (or the adapter)."""

    def __post_init__(self) -> None:
        form, kind = FORMS[self.kind], self.kind
        require(0 <= self.at_ns <= MAX_AT_S * NS_PER_S, "t", f"0 to {MAX_AT_S} s", self.at_ns / NS_PER_S)
        _require_span(form, kind, span_ns=self.span_ns)
        _require_amount(form, kind, amount=self.amount)
        if self.sensor is not None:
            require(not form.of_adapter, f"{kind} sensor", "none, for it befalls the adapter", self.sensor)
            require_text("sensor", self.sensor)
            require(not any(map(str.isspace, self.sensor)), "sensor", "one word", self.sensor)

    def __str__(self) -> str:
        """Return the line that says it."""
        words = [f"t={_seconds(self.at_ns)}", str(self.kind)]
        if self.amount is not None:
            words.append(str(self.amount))
        if self.span_ns is not None:
            words += ["for"] if self.amount is not None else []
            words.append(_seconds(self.span_ns))
        if self.sensor is not None:
            words.append(f"sensor={self.sensor}")
        return " ".join(words)


def parse_fault(text: str) -> Fault:
    """Return the fault that a line says. Raises ConfigError that names what is wrong and what is allowed."""
    words = text.split()
    try:
        at_ns = _take_time(words)
        kind = _take_kind(words)
        sensor = words.pop().removeprefix("sensor=") if words and words[-1].startswith("sensor=") else None
        amount = _take_amount(words, FORMS[kind], kind)
        span_ns = _take_span(words, FORMS[kind], kind)
        require(not words, str(kind), f"`t=S {FORMS[kind].text(kind)} [sensor=NAME]`", " ".join(words))
        return Fault(at_ns=at_ns, kind=kind, span_ns=span_ns, amount=amount, sensor=sensor)
    except ValueError as exc:
        raise ConfigError(f"`{text:.80}`: {exc}", setting=SETTING) from exc


def known_faults() -> str:
    """Return how each known kind is written."""
    return ", ".join(f"`{form.text(kind)}`" for kind, form in FORMS.items())


def _take_time(words: list[str]) -> int:
    word = words.pop(0) if words else ""
    require(word.startswith("t="), "time", "a first word t=SECONDS", word)
    return _nanoseconds("t", word.removeprefix("t="))


def _take_kind(words: list[str]) -> FaultKind:
    word = words.pop(0) if words else ""
    if word not in FORMS:
        raise ValueError(f"kind: expected a known fault, got {word!r:.40}; known are {known_faults()}")
    return FaultKind(word)


def _take_amount(words: list[str], form: Form, kind: FaultKind) -> int | None:
    if form.amount is None:
        return None
    word = words.pop(0) if words else ""
    what = f"{kind} {form.amount.name}"
    require(_WHOLE.fullmatch(word) is not None, what, f"a whole number of {form.amount.unit}", word)
    return int(word)


def _take_span(words: list[str], form: Form, kind: FaultKind) -> int | None:
    if not form.takes_span or (not words and form.span is Span.OPTIONAL):
        return None
    if form.amount is not None:
        require(words[:1] == ["for"], str(kind), f"`t=S {form.text(kind)}`", " ".join(words))
        del words[:1]
    return _nanoseconds(f"{kind} S", words.pop(0) if words else "")


def _nanoseconds(what: str, word: str) -> int:
    require(_SECONDS.fullmatch(word) is not None, what, "seconds such as 20 or 0.5", word)
    whole, _, fraction = word.partition(".")
    return int(whole) * NS_PER_S + int(fraction.ljust(3, "0") or 0) * NS_PER_MS


def _seconds(t_ns: int) -> str:
    return f"{t_ns / NS_PER_S:.3f}".rstrip("0").rstrip(".")


def _require_span(form: Form, kind: FaultKind, *, span_ns: int | None) -> None:
    if span_ns is None:
        require(form.span is not Span.REQUIRED, f"{kind} S", _SPAN_RANGE, None)
        return
    require(form.takes_span, f"{kind} S", "none, for it lasts a moment or for ever", span_ns / NS_PER_S)
    require(_MIN_SPAN_NS <= span_ns <= _MAX_SPAN_NS, f"{kind} S", _SPAN_RANGE, span_ns / NS_PER_S)


def _require_amount(form: Form, kind: FaultKind, *, amount: int | None) -> None:
    if form.amount is None:
        require(amount is None, str(kind), "no number", amount)
        return
    allowed = f"{form.amount.low} to {form.amount.high} {form.amount.unit}"
    is_within = amount is not None and form.amount.low <= amount <= form.amount.high
    require(is_within, f"{kind} {form.amount.name}", allowed, amount)
