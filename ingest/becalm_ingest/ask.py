"""Questions to a sensor and its answers: a write that waits, and the survey of what a sensor offers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from becalm_ingest.devices import Channel, Family, Survey, Write
from becalm_ingest.link_trouble import BondMissingError
from becalm_protocol.errors import DeviceDataError, LinkError

_ANSWER_WITHIN_S = 5.0


class RefusedError(LinkError):
    """The sensor answered, and would not: this family is of no use on it; others may be."""


class Line(Protocol):
    """What asking and streaming need of a connection."""

    label: str

    async def read(self, uuid: str) -> bytes:
        """Return the value of a characteristic."""

    async def subscribe(self, channel: Channel, *, on_bytes: Callable[[bytearray], None]) -> None:
        """Have every notification of a channel go to `on_bytes`."""

    async def unsubscribe(self, channel: Channel) -> None:
        """End the notifications of a channel."""

    async def write(self, write: Write) -> None:
        """Write bytes."""

    async def pair(self) -> None:
        """Bond with the sensor."""


class Answering(Protocol):
    """Whoever hears the answers: a survey or a conversation."""

    n_answers: int
    refusal: LinkError | None


async def ask(line: Line, write: Write, *, of: Answering, heard: asyncio.Event) -> None:
    """Write, bond first where the sensor wants it, and wait for the answer. Raises LinkError."""
    n_before = of.n_answers
    try:
        await line.write(write)
    except BondMissingError:
        await line.pair()
        await line.write(write)
    while write.expects_answer and of.n_answers == n_before:
        heard.clear()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await heard.wait()
        except TimeoutError as exc:
            raise LinkError(f"{line.label} does not answer", advice="It is tried again") from exc
    if of.refusal:
        raise RefusedError(of.refusal.problem, advice=of.refusal.advice)


async def look_into(line: Line, family: Family) -> Family:
    """Return the family with the streams that this sensor offers. Raises LinkError."""
    if family.survey is None:
        return family
    survey, heard = family.survey(), asyncio.Event()

    def hear(channel: str, data: bytearray) -> None:
        with suppress(DeviceDataError):  # what is no answer leaves the question open
            survey.parse(bytes(data), channel=channel)
        heard.set()

    await _read(line, survey)
    subscribed: list[Channel] = []
    try:
        for channel in family.channels:
            await line.subscribe(channel, on_bytes=partial(hear, channel.name))
            subscribed.append(channel)
        for write in survey.questions():
            await ask(line, write, of=survey, heard=heard)
    finally:
        for channel in subscribed:
            with suppress(LinkError):
                await line.unsubscribe(channel)
    return survey.found()


async def _read(line: Line, survey: Survey) -> None:
    for uuid in survey.reads:
        try:
            survey.take(uuid, await line.read(uuid))
        except BondMissingError:
            await line.pair()
            survey.take(uuid, await line.read(uuid))
        except DeviceDataError as exc:
            # No reason to give up the sensor's other families.
            problem = f"{line.label} describes itself in a way we do not know"
            raise RefusedError(problem, advice="Update becalm") from exc
