"""What an agent can play into a session: sensors, a recording, or a fake in tests."""

from collections.abc import Callable
from typing import Protocol

from becalm_ingest.session import Session
from becalm_protocol.handshake import SensorState


class Source(Protocol):
    """Something that gives events. It may be ready long before a session begins."""

    on_change: Callable[[], None]
    """To be called whenever `sensors()` or `trouble` changed."""

    @property
    def trouble(self) -> str | None:
        """What a person should know, in one sentence; None while all is well."""

    def sensors(self) -> tuple[SensorState, ...]:
        """How the sensors are, in or out of a session."""

    async def run(self) -> None:
        """Keep the sensors at hand until cancelled; cleans up when cancelled."""

    async def begin(self, session: Session) -> None:
        """Let events flow into a session from now on."""

    async def end(self) -> None:
        """Stop the streams; everything in flight has reached the session when this returns."""

    async def wait_finished(self) -> None:
        """Wait until there is nothing more to come; for ever where that is never known."""
