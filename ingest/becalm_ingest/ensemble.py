"""Several sources as one: sensors on Bluetooth and streams of a laboratory feed the same session."""

import asyncio
from collections.abc import Callable, Sequence

from becalm_ingest.session import Session
from becalm_ingest.source import Source
from becalm_protocol.handshake import SensorState


class Ensemble:
    """A source made of sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._sources = tuple(sources)
        for source in self._sources:
            source.on_change = lambda: self.on_change()

    @property
    def trouble(self) -> str | None:
        """What a person should know, of every source."""
        return " | ".join(filter(None, (source.trouble for source in self._sources))) or None

    def sensors(self) -> tuple[SensorState, ...]:
        """The sensors of all."""
        return tuple(state for source in self._sources for state in source.sensors())

    async def run(self) -> None:
        """Run all of them."""
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(source.run(), name=type(source).__name__)

    async def begin(self, session: Session) -> None:
        """Let events of all flow into a session."""
        for source in self._sources:
            await source.begin(session)

    async def end(self) -> None:
        """Stop all at once: each has its own time to come to rest."""
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(source.end(), name=f"end {type(source).__name__}")

    async def wait_finished(self) -> None:
        """Wait until none of them has anything more to give."""
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(source.wait_finished(), name=f"finish {type(source).__name__}")
