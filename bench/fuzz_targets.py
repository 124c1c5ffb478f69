"""What is fuzzed: each device family's conversation and survey, begun from what virtual sensors really send."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count

from becalm_ingest.devices import FAMILIES, Cursor, Family, family_named
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import Battery, Dropped, Gap, RawEvent, RrBlock, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.body import Body
from becalm_simulator.gatt import Outgoing, Sensor
from becalm_simulator.sensors.wardrobe import WARDROBE

WORN = {
    "heart_rate": ("strap", "strap-energy", "strap-wide", "optical"),
    "polar_pmd": ("strap", "optical", "optical-old"),
    "movesense": ("chest-sensor",),
    "vernier_belt": ("belt",),
    "bitalino": ("board",),
    "shimmer": ("gsr",),
    "uart_skin": ("skin", "skin-swapped"),
}
"""Which virtual sensors speak a family's language."""
# A connection lives for so many inputs, so that what one leaves behind meets the next.
INPUTS_PER_CONNECTION = 200
STEP_NS = 40 * NS_PER_MS
SEED_S = 40
MAX_SAID = 300
MTU = 247
SMALL_MTU = {"bitalino": 23}
"""Frames are a stream of bytes: in small pieces more of them end in the middle."""
KNOWN_EVENTS = SampleBlock | RrBlock | Gap | Battery | Dropped

Take = Callable[[bytes, str], None]


class BrokenPromiseError(Exception):
    """A parser returned something that it may not."""


@dataclass(frozen=True)
class Said:
    """One notification, and which of a family's channels it came by."""

    channel_idx: int
    data: bytes


@dataclass(frozen=True)
class Scene:
    """One virtual sensor: its family as a survey found it, its answers, then its measurements."""

    family: Family
    surveyed: tuple[Said, ...]
    answers: tuple[Said, ...]
    measured: tuple[Said, ...]


@dataclass
class Target:
    """One family's parser, or its survey, under fire."""

    name: str
    channels: tuple[str, ...]
    begin: Callable[[], Take]
    n_executions: int = 0
    n_refused: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """By kind of failure: the first input that made it."""
    n_failures: int = 0
    _take: Take | None = None

    def execute(self, data: bytes, *, channel_idx: int) -> None:
        """Give one input to the parser; note anything but events or DeviceDataError."""
        if self._take is None or self.n_executions % INPUTS_PER_CONNECTION == 0:
            self._take = self.begin()
        self.n_executions += 1
        try:
            self._take(data, self.channels[channel_idx % len(self.channels)])
        except DeviceDataError:
            self.n_refused += 1
        except Exception as exc:  # noqa: BLE001 - anything else is what is looked for
            self.n_failures += 1
            self.failures.setdefault(f"{type(exc).__name__}: {exc!s:.80}", data.hex())


def targets(names: tuple[str, ...]) -> list[Target]:
    """Return the conversation of each family, and its survey where it has one."""
    found = []
    for family in (family for family in FAMILIES if not names or family.name in names):
        channels = tuple(channel.name for channel in family.channels)
        found.append(Target(name=family.name, channels=channels, begin=_conversing(family)))
        if family.survey is not None:
            found.append(Target(name=f"{family.name} survey", channels=(*channels, "read"), begin=_surveying(family)))
    return found


def corpus(name: str) -> list[Said]:
    """Return what the virtual sensors of a family send, in order: answers, then measurements."""
    found = _scenes(name.removesuffix(" survey"))
    return [said for scene in found for said in (*scene.surveyed, *scene.answers, *scene.measured)]


def _conversing(family: Family) -> Callable[[], Take]:
    turns = count()

    def begin() -> Take:
        scenes = _scenes(family.name)
        scene = scenes[next(turns) % len(scenes)]
        conversation = scene.family.converse(_cursors(scene.family))
        conversation.start()
        newest: dict[str, int] = {}
        received_ns = 0

        def take(data: bytes, channel: str) -> None:
            nonlocal received_ns
            received_ns += STEP_NS
            for event in conversation.parse(data, channel=channel, received_ns=received_ns):
                _check(event, newest=newest)

        for said in scene.answers:
            take(said.data, family.channels[said.channel_idx].name)
        return take

    return begin


def _check(event: RawEvent, *, newest: dict[str, int]) -> None:
    """Require a known event; samples go forward. Their ranges they check themselves."""
    if not isinstance(event, KNOWN_EVENTS):
        raise BrokenPromiseError(f"returned {type(event).__name__}")
    if isinstance(event, SampleBlock):
        if event.first_sample_idx < newest.get(event.stream_id, 0):
            raise BrokenPromiseError("samples went back")
        newest[event.stream_id] = event.first_sample_idx + len(event.counts)


def _surveying(family: Family) -> Callable[[], Take]:
    def begin() -> Take:
        assert family.survey is not None
        survey = family.survey()
        survey.questions()

        def take(data: bytes, channel: str) -> None:
            if channel == "read":
                for uuid in survey.reads:
                    survey.take(uuid, data)
            else:
                survey.parse(data, channel=channel)
            survey.questions()
            survey.found()

        return take

    return begin


def _cursors(family: Family) -> dict[SignalKind, Cursor]:
    return {t.kind: Cursor(stream_id=t.kind.value, sample_rate_hz=t.sample_rate_hz) for t in family.streams}


@cache
def _scenes(name: str) -> tuple[Scene, ...]:
    family = family_named(name)
    assert family is not None
    return tuple(_listen(WARDROBE[worn](_body(), 50_000), family) for worn in WORN[name])


def _body() -> Body:
    body = Body.from_seed(3)
    body.until(NS_PER_S)
    return body


def _listen(sensor: Sensor, family: Family) -> Scene:
    """Survey a sensor, start it, and write down what it says."""
    uuids = {uuid: idx for idx, channel in enumerate(family.channels) for uuid in channel.uuids}
    for uuid in uuids:
        sensor.on_subscribed(uuid, wanted=True, now_ns=NS_PER_S)
    surveyed: tuple[Said, ...] = ()
    if family.survey is not None:
        survey = family.survey()
        for uuid in survey.reads:
            survey.take(uuid, sensor.read(uuid))
        for write in survey.questions():
            answers = _told(sensor.on_write(write.uuid, write.data, mtu=MTU, now_ns=NS_PER_S), uuids)
            for said in answers:
                with suppress(DeviceDataError):
                    survey.parse(said.data, channel=family.channels[said.channel_idx].name)
            surveyed += answers
        family = survey.found()
    answers = ()
    for write in family.converse(_cursors(family)).start():
        answers += _told(sensor.on_write(write.uuid, write.data, mtu=MTU, now_ns=NS_PER_S), uuids)
    measured: tuple[Said, ...] = ()
    for t_s in range(2, SEED_S):
        if sensor.due_ns() is not None:
            measured += _told(sensor.poll(t_s * NS_PER_S, mtu=SMALL_MTU.get(family.name, MTU)), uuids)
    return Scene(family=family, surveyed=surveyed, answers=answers, measured=measured[-MAX_SAID:])


def _told(outgoing: Iterable[Outgoing], uuids: dict[str, int]) -> tuple[Said, ...]:
    return tuple(Said(channel_idx=uuids[o.uuid], data=o.data) for o in outgoing if o.uuid in uuids)
