"""A session's place in a process of pipelines: its steps go in, what they settle comes back in the same order."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from becalm_server.lane_messages import Finish, Finished, Settlement, Step
from becalm_server.worker_process import WorkerGoneError

log = logging.getLogger(__name__)

# Minutes of a session. Policy of a full queue: all of it is dropped, for the archive has it too and is read once more.
MAX_WAITING = 8_192
# A session that ended its process so often, without getting past the farthest step that did, does it by itself; it is
# recorded, and goes without feedback. The step need not be the same: who runs out of memory dies now here, now there.
N_DEADLY = 3


class Process(Protocol):
    """What a seat needs of its lane."""

    def has(self, handle: int) -> bool:
        """Whether this seat is still there."""
        ...

    def put_nowait(self, message: Step | Finish) -> None:
        """Send a message of a session."""
        ...

    async def wait_room(self) -> None:
        """Return once the process has caught up."""
        ...

    async def wait_heard(self, handle: int) -> None:
        """Return once the process has heard nearly all of what it was given of a session."""
        ...

    def leave(self, handle: int) -> None:
        """Give up a seat."""
        ...


class Seat:
    """Steps given to a session that has no process at the moment wait; the archive has all that came before them."""

    def __init__(self, *, settled: Callable[[Settlement | Finished], None], lost: Callable[[], None]) -> None:
        self.is_given_up = False
        """This session ends whatever process hears it."""
        self._settled = settled
        self._lost = lost
        self._lane: Process | None = None
        self._handle = 0
        self._seated = asyncio.Event()
        self._waiting: deque[Step] = deque()
        self._overflown = False
        self._finishing: asyncio.Future[None] | None = None
        self._blamed_idx, self._n_blamed = -1, 0

    @property
    def is_last_try(self) -> bool:
        """Whether it is given up if it ends its process once more: it may be its state that does."""
        return self._n_blamed == N_DEADLY - 1

    @property
    def is_seated(self) -> bool:
        """Whether a process hears the steps at the moment."""
        return self._lane is not None

    # ------------------------------------------------------------------------------------------------- the session
    def put_nowait(self, step: Step) -> None:
        """Take the next step of the session."""
        if self._lane is not None:
            self._lane.put_nowait(msgspec.structs.replace(step, handle=self._handle))
        elif not self.is_given_up:
            self._waiting.append(step)
            if len(self._waiting) > MAX_WAITING:
                self._waiting.clear()
                self._overflown = True

    async def wait_room(self) -> None:
        """Return once the process has caught up; one that is gone holds nobody up."""
        if self._lane is not None:
            await self._lane.wait_room()

    async def finish(self) -> None:
        """Return once everything has been settled, the tail of the session too."""
        while not self.is_given_up:
            await self._seated.wait()
            if self._lane is None:
                continue
            self._finishing = asyncio.get_running_loop().create_future()
            self._lane.put_nowait(Finish(self._handle))
            with contextlib.suppress(WorkerGoneError):
                await self._finishing
                return

    # ----------------------------------------------------------------------------------------------- taking a seat
    def stand(self) -> None:
        """Leave the process, if there is one: from here on steps wait, and the archive has those before."""
        if self._lane is not None:
            self._lane.leave(self._handle)
        self._unseat()
        self._waiting.clear()
        self._overflown = False

    async def sit(self, lane: Process, handle: int) -> bool:
        """Hand over what waits; False where too much did. Raises WorkerGoneError where the process is gone."""
        while lane.has(handle) and self._waiting:
            lane.put_nowait(msgspec.structs.replace(self._waiting.popleft(), handle=handle))
            await lane.wait_heard(handle)
        if not lane.has(handle):
            raise WorkerGoneError("the process ended")
        if self._overflown:
            lane.leave(handle)
            return False
        self._lane, self._handle = lane, handle
        self._seated.set()
        return True

    # --------------------------------------------------------------------------------------------------- the lane
    def settle(self, settlement: Settlement) -> None:
        """Hear what followed from a step."""
        if settlement.arrival_idx >= self._blamed_idx:
            self._n_blamed = 0
        self._settled(settlement)

    def finished(self, finished: Finished) -> None:
        """Hear what followed from the end."""
        self._settled(finished)
        if self._finishing is not None and not self._finishing.done():
            self._finishing.set_result(None)

    def suspect(self, step: int) -> None:
        """Hear that the process ended over this step, or over one soon after it: answers on their way were lost."""
        self._blamed_idx, self._n_blamed = max(step, self._blamed_idx), self._n_blamed + 1
        if self._n_blamed >= N_DEADLY:
            log.error("a session ended its process of pipelines %d times; it is recorded without feedback", N_DEADLY)
            self.is_given_up = True
            self._seated.set()  # whoever waits for the end of the session need not wait for a process

    def lose(self, handle: int) -> None:
        """Hear that the process is gone."""
        if self._lane is None or handle != self._handle:
            return  # not seated yet: whoever seats it finds out
        self._unseat()
        if self._finishing is not None and not self._finishing.done():
            self._finishing.set_exception(WorkerGoneError("the process ended"))
        self._lost()

    def _unseat(self) -> None:
        self._lane = None
        self._seated.clear()
