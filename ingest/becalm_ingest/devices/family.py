"""The shape that every device family has."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol, runtime_checkable

from becalm_ingest.devices.cursor import Cursor
from becalm_protocol.errors import LinkError
from becalm_protocol.events import Clock, RawEvent, SignalKind, value


@value
class StreamTemplate:
    """A stream a family offers; within a session it becomes a `StreamInfo` with an identifier of its own."""

    kind: SignalKind
    unit: str
    unit_per_count: float
    sample_rate_hz: float | None
    clock: Clock
    late_after_s: float
    """Silence after which the stream is called late: 1.5 s beyond the packet interval."""
    lost_after_s: float
    """Silence after which the link is given up and made anew."""


@value
class Channel:
    """A characteristic to subscribe to: the first of `uuids` that can notify or indicate."""

    name: str
    uuids: tuple[str, ...]


@value
class Write:
    """Bytes for a characteristic."""

    uuid: str
    data: bytes
    expects_answer: bool
    """The next write waits until `Conversation.n_answers` has grown."""


class Conversation(Protocol):
    """What a family remembers during one connection. No I/O and no clock inside."""

    n_answers: int
    """Answers to our writes, so far."""
    refusal: LinkError | None
    """Set once the sensor refused or ended its stream: the connection is of no more use to this family."""

    def start(self) -> tuple[Write, ...]:
        """Return the writes that make the sensor stream, in order."""

    def stop(self) -> tuple[Write, ...]:
        """Return the writes that let the sensor rest."""

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return what a notification says. Raises DeviceDataError, and nothing else, for bytes off specification."""


@runtime_checkable
class Selective(Protocol):
    """A conversation with a sensor that may refuse some of its signals and send the others."""

    refused: dict[SignalKind, LinkError]
    """Signals that will not come on this connection, and why; nobody waits for them."""


class Survey(Protocol):
    """What a family asks a sensor once a connection, before any session: which signals has it, at which rates?

    No I/O and no clock inside. The reads come first, then every channel is subscribed and the questions are written.
    """

    n_answers: int
    """Answers to our questions, so far."""
    refusal: LinkError | None
    """Set once the sensor refused: the family is of no use on this sensor."""
    reads: tuple[str, ...]
    """Characteristics to read first; one that cannot be read is passed over."""

    def take(self, uuid: str, data: bytes) -> None:
        """Take the value of a characteristic. Raises DeviceDataError."""

    def questions(self) -> tuple[Write, ...]:
        """Return the writes that ask, in order."""

    def parse(self, data: bytes, *, channel: str) -> None:
        """Take a notification. Raises DeviceDataError, and nothing else, for bytes off specification."""

    def found(self) -> "Family":
        """Return the family with the streams that this very sensor offers (none: no use), and how to start them."""


@value
class Family:
    """One device family: how to recognise it, what it offers, how to talk with it."""

    name: str
    service_uuid: str
    """GATT service that carries the family, seen once connected."""
    advertised_uuids: tuple[str, ...]
    """Services in the advertisement by which a scan finds it; empty where it is found through another family."""
    name_prefixes: tuple[str, ...]
    """Names by which a scan finds it where the advertisement has no services."""
    streams: tuple[StreamTemplate, ...]
    """What it offers; where a survey tells, the usual ones until then."""
    channels: tuple[Channel, ...]
    converse: Callable[[Mapping[SignalKind, Cursor]], Conversation]
    """Begin a connection. Parsing needs the cursors only, so that a recording can be read without its survey."""
    survey: Callable[[], Survey] | None = None
    """For families whose sensors differ; None where `streams` holds for all of them."""

    def matches(self, *, advertised_uuids: tuple[str, ...], name: str) -> bool:
        """Tell whether an advertisement is one of this family's."""
        by_service = any(uuid in advertised_uuids for uuid in self.advertised_uuids)
        return by_service or bool(name and self.name_prefixes and name.startswith(self.name_prefixes))


def each_signal_once(families: Iterable[Family]) -> tuple[Family, ...]:
    """Return the families with each signal left to the first that has it; those left with none are left out.

    A sensor may tell its heartbeats by two services. They are one stream, and to be stored once.
    """
    kept, taken = list[Family](), set[SignalKind]()
    for family in families:
        streams = tuple(template for template in family.streams if template.kind not in taken)
        taken.update(template.kind for template in streams)
        if streams:
            kept.append(family if streams == family.streams else replace(family, streams=streams))
    return tuple(kept)


def uuid_of(short: int) -> str:
    """Return the 128-bit form of a 16-bit Bluetooth SIG identifier."""
    return f"{short:08x}-0000-1000-8000-00805f9b34fb"
