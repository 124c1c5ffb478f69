"""One process of pipelines, watched and replaced, and the seats of the sessions that stick to it."""

import asyncio
import itertools
import logging
import sys
from collections import Counter, deque
from typing import Any

import msgspec

from becalm_server.lane_messages import (
    Finish,
    Finished,
    Forget,
    FromLane,
    LiveState,
    Open,
    Opened,
    Ping,
    Pong,
    Row,
    Settlement,
    ToLane,
    Wish,
    decode_from_lane,
    encode,
)
from becalm_server.lane_worker import CAREFUL, QUICK
from becalm_server.seat import Seat
from becalm_server.worker_process import WorkerGoneError, WorkerProcess

log = logging.getLogger(__name__)

# A second of a hundred sessions, and little enough for the archive's queue to take it from every core. Policy of a full
# lane: Block, which reaches the agents through their sockets.
MAX_UNANSWERED = 1_024
WATCH_S = 0.5
# A step takes milliseconds: a process that says nothing at this many looks in a row hangs.
N_SILENT_LOOKS = 6
# Importing takes half a second, on a slow board several.
N_STARTING_LOOKS = 60
BACKOFF_S = (0.05, 3.0)
# Steps of a session's past that wait in a process at a time: those of the other sessions come in between.
MAX_REPLAYED = 32
AFTER_ALL = sys.maxsize
_HANDLES = itertools.count(1)


class Lane:
    """run() keeps a process alive; seats are lost with it, and whoever has one takes another."""

    def __init__(self, target: str) -> None:
        self.n_deaths = 0
        self._n_given_up = 0
        self.trouble: str | None = None
        """Why there is no process at the moment."""
        self.ready = asyncio.Event()
        """Set while there is a process that has imported its pipeline."""
        self._target = target
        self._worker = self._make_worker(QUICK)
        self._up = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._seats: dict[int, Seat] = {}
        self._openings: dict[int, asyncio.Future[bool]] = {}
        self._outgoing: list[ToLane] = []
        self._unanswered: deque[tuple[int, int]] = deque()
        self._n_unanswered: Counter[int] = Counter()
        self._answered = asyncio.Event()
        self._n_silent = 0
        self._peak = 0

    @property
    def n_seats(self) -> int:
        """Sessions that stick to this process."""
        return len(self._seats)

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._worker.pid

    def statistics(self) -> dict[str, int]:
        """Seats, steps that wait for their answer, the most so far, processes that died, sessions without feedback."""
        return {
            "seats": self.n_seats,
            "depth": len(self._unanswered),
            "peak": self._peak,
            "deaths": self.n_deaths,
            "given_up": self._n_given_up,
        }

    # --------------------------------------------------------------------------------------------------- sessions
    async def open(self, seat: Seat, *, streams: Any, schedule: Any, state: LiveState | None) -> tuple[int, bool]:
        """Bring a session into the process; return its handle, and whether its state was of use.

        Waits for the process. Raises WorkerGoneError where it died over it.
        """
        await self._up.wait()
        handle = next(_HANDLES)
        self._seats[handle] = seat
        opening = self._openings[handle] = asyncio.get_running_loop().create_future()
        self.put_nowait(Open(handle, streams=tuple(streams), schedule=tuple(schedule), state=state))
        return handle, await opening

    def has(self, handle: int) -> bool:
        """Whether this seat is still there."""
        return handle in self._seats

    def put_nowait(self, message: Open | Row | Wish | Finish) -> None:
        """Send a message of a session; one whose seat is lost goes nowhere."""
        if message.handle not in self._seats:
            return
        self._unanswered.append((message.handle, _step(message)))
        self._n_unanswered[message.handle] += 1
        self._peak = max(self._peak, len(self._unanswered))
        if len(self._unanswered) >= MAX_UNANSWERED:
            self._room.clear()
        self._send(message)

    async def wait_room(self) -> None:
        """Return once the process has caught up."""
        await self._room.wait()

    async def wait_heard(self, handle: int) -> None:
        """Return once the process has heard nearly all of what it was given of a session."""
        while self._n_unanswered[handle] >= MAX_REPLAYED:
            self._answered.clear()
            await self._answered.wait()

    def leave(self, handle: int) -> None:
        """Give up a seat; what is still said of it meets nobody."""
        if self._seats.pop(handle, None) is not None:
            self._send(Forget(handle))

    # ------------------------------------------------------------------------------------------------ the process
    async def run(self) -> None:
        """Keep a process until cancelled."""
        pause_s, longest_s = BACKOFF_S
        try:
            while True:
                try:
                    await self._serve()
                except WorkerGoneError as exc:
                    self.n_deaths += 1
                    pause_s = BACKOFF_S[0] if self.ready.is_set() else min(2 * pause_s, longest_s)
                    self.trouble = f"{exc}; the record goes on, feedback waits"
                    log.warning("a process of pipelines is gone (%s); its %d sessions move", exc, self.n_seats)
                await self._worker.close()
                self._worker = self._make_worker(CAREFUL)
                self._lose_all()
                await asyncio.sleep(pause_s)
        finally:
            await self._worker.close()

    async def _serve(self) -> None:
        """Start a process and hear it until it is gone. Raises WorkerGoneError."""
        self._n_silent = 0
        await self._worker.start()
        self._up.set()
        watch = asyncio.get_running_loop().create_task(self._watch(), name="watch over a lane")
        try:
            while True:
                frame = await self._worker.receive()
                self._n_silent = 0
                for message in _read(frame):
                    self._take(message)
                await asyncio.sleep(0)  # what it settled goes to the clients before more is
        finally:
            watch.cancel()

    def _make_worker(self, pace: str) -> WorkerProcess:
        return WorkerProcess("becalm_server.lane_worker:serve", self._target, pace)

    async def _watch(self) -> None:
        """Kill a process that hangs. Looks are counted, not time: while we were suspended ourselves it was not."""
        while True:
            self._send(Ping())
            await asyncio.sleep(WATCH_S)
            self._n_silent += 1
            if self._n_silent > (N_SILENT_LOOKS if self.ready.is_set() else N_STARTING_LOOKS):
                log.warning("a process of pipelines says nothing; it is replaced")
                self._worker.kill()
                return

    def _take(self, message: FromLane) -> None:
        if isinstance(message, Pong):
            self.ready.set()
            self.trouble = None
            return
        handle, _ = self._unanswered.popleft()
        self._n_unanswered[handle] -= 1
        self._answered.set()
        if len(self._unanswered) < MAX_UNANSWERED:
            self._room.set()
        seat = self._seats.get(message.handle)
        if seat is None:
            if not self._n_unanswered[handle]:
                del self._n_unanswered[handle]
            return
        match message:
            case Settlement():
                seat.settle(message)
            case Finished():
                seat.finished(message)
            case Opened(handle=handle, resumed=resumed):
                opening = self._openings.pop(handle)
                if not opening.done():
                    opening.set_result(resumed)

    def _send(self, message: ToLane) -> None:
        # What comes within one turn of the loop goes in one frame.
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(message)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._up.is_set():
            self._worker.send_nowait(encode(outgoing))

    def _lose_all(self) -> None:
        self._up.clear()
        self.ready.clear()
        seats, self._seats = self._seats, {}
        openings, self._openings = self._openings, {}
        suspect, step = self._unanswered[0] if self._unanswered else (0, -1)
        self._unanswered.clear()
        self._n_unanswered.clear()
        self._answered.set()
        self._outgoing.clear()
        self._room.set()
        for opening in openings.values():
            if not opening.done():
                opening.set_exception(WorkerGoneError("the process ended"))
        for handle, seat in seats.items():
            if handle == suspect:
                seat.suspect(step)
                self._n_given_up += seat.is_given_up
            seat.lose(handle)


def _step(message: Open | Row | Wish | Finish) -> int:
    """Return which step of its session a message is: the opening comes before all of them, the end after."""
    match message:
        case Open():
            return -1
        case Finish():
            return AFTER_ALL
        case Row(arrival_idx=arrival_idx) | Wish(arrival_idx=arrival_idx):
            return arrival_idx


def _read(frame: bytes) -> list[FromLane]:
    try:
        return decode_from_lane(frame)
    except msgspec.MsgspecError as exc:
        raise WorkerGoneError("the process talks nonsense") from exc
