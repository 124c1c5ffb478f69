"""All processes of pipelines, and who sits where."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from becalm_server.archive.row_security import servers_context
from becalm_server.lane import Lane

# Importing takes half a second; a server that is announced may be ahead of a process that takes longer.
READY_LIMIT_S = 5.0


class Lanes:
    """As many processes as asked for; a session sticks to the one it was given."""

    def __init__(self, target: str, *, n_workers: int) -> None:
        self.each = tuple(Lane(target) for _ in range(n_workers))
        self._moving: asyncio.TaskGroup | None = None

    @property
    def trouble(self) -> str | None:
        """Why some sessions have no feedback at the moment."""
        return next((lane.trouble for lane in self.each if lane.trouble is not None), None)

    async def wait_ready(self) -> None:
        """Return once every process has imported its pipeline, or none of them makes haste."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_LIMIT_S):
                for lane in self.each:
                    await lane.ready.wait()

    def emptiest(self) -> Lane:
        """Return the process with the fewest sessions; one that has not started, only where none has."""
        return min(self.each, key=lambda lane: (not lane.ready.is_set(), lane.n_seats))

    def statistics(self) -> dict[str, int]:
        """Sums over the processes."""
        parts = [lane.statistics() for lane in self.each]
        return {name: sum(part[name] for part in parts) for name in parts[0]}

    def move_nowait(self, moving: Coroutine[Any, Any, None]) -> None:
        """Bring a session that lost its seat to another one, beside everything else."""
        if self._moving is not None:
            # Whoever asked may be a request, whose database role sees what its caller sees: this is the server's own.
            self._moving.create_task(moving, name="session to another process", context=servers_context())
        else:
            moving.close()

    async def run(self) -> None:
        """Keep the processes until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._moving = group
            for lane in self.each:
                group.create_task(lane.run(), name="pipelines")
