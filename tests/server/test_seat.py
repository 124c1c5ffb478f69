"""Who sits where, and who waits for whom, without a process."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from becalm_server.lane import Lane
from becalm_server.lanes import Lanes
from becalm_server.opening import Opener

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


async def test_late_sessions_move_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    opener = Opener(nothing, archive=nothing, lanes=nothing)
    moving: set[Any] = set()
    most = 0

    async def seat_session(session: Any, **_parts: Any) -> None:
        nonlocal most
        moving.add(session)
        most = max(most, len(moving))
        await asyncio.sleep(0)
        moving.discard(session)
        session.seat.is_seated = True

    monkeypatch.setattr("becalm_server.opening.seat_session", seat_session)

    def session(*, late: bool) -> Any:
        class One:
            opening = asyncio.Lock()
            is_over = False

            class seat:  # noqa: N801  (an attribute of a session)
                is_seated = is_given_up = False

        One.late = late  # type: ignore[attr-defined]
        return One

    await asyncio.gather(*(opener.seat(session(late=True)) for _ in range(3)))
    assert most == 1
    await asyncio.gather(*(opener.seat(session(late=False)) for _ in range(3)))
    assert most == 3
