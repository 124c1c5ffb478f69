"""Who sits where, and who waits for whom, without a process."""

import asyncio
from contextvars import ContextVar

import pytest

from becalm_server.lane import AFTER_ALL, Lane
from becalm_server.lane_messages import Settlement
from becalm_server.lanes import Lanes
from becalm_server.seat import Seat

ROLE = ContextVar("ROLE", default="server")


def test_a_process_that_never_started_gets_nobody() -> None:
    lanes = Lanes("nowhere:Nothing", n_workers=3)
    assert lanes.emptiest() is lanes.each[0]
    lanes.each[1].ready.set()
    assert lanes.emptiest() is lanes.each[1]


async def test_a_session_moves_in_the_name_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()
    monkeypatch.setattr(Lane, "run", lambda _lane: stop.wait())
    lanes, told = Lanes("nowhere:Nothing", n_workers=1), []

    async def move() -> None:
        told.append(ROLE.get())
        stop.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(lanes.run())
        await asyncio.sleep(0)
        ROLE.set("a request")
        lanes.move_nowait(move())
    assert told == ["server"]


def settlement(arrival_idx: int) -> Settlement:
    return Settlement(1, arrival_idx, 0, 0)


@pytest.fixture
def seat() -> Seat:
    return Seat(settled=lambda _told: None, lost=lambda: None)


def test_who_gets_past_what_ended_its_process_is_not_given_up(seat: Seat) -> None:
    for step in range(100, 200, 10):
        seat.suspect(step)
        seat.settle(settlement(step))
    assert not seat.is_given_up


@pytest.mark.parametrize("steps", [(100, 100, 100), (100, 98, 99), (-1, -1, -1), (AFTER_ALL, AFTER_ALL, AFTER_ALL)])
def test_who_gets_no_further_is_given_up(seat: Seat, steps: tuple[int, ...]) -> None:
    for step in steps:
        assert not seat.is_given_up
        for heard in range(min(step, 100)):  # its past, which it hears once more each time
            seat.settle(settlement(heard))
        seat.suspect(step)
    assert seat.is_given_up


def test_the_last_try_is_without_a_state(seat: Seat) -> None:
    told = [seat.is_last_try]
    for _ in range(2):
        seat.suspect(-1)
        told.append(seat.is_last_try)
    assert told == [False, False, True]
