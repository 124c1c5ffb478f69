"""One thing at a time with the adapter, and no scan longer than its neighbours can bear."""

import asyncio

import pytest

from becalm_ingest import turn
from becalm_ingest.turn import Turn


async def scan_for_ever(mine: Turn, *, within_s: float, began: asyncio.Event) -> None:
    async with mine.take(), mine.scan(within_s=within_s):
        began.set()
        await asyncio.Event().wait()


async def test_turns_are_taken_one_after_the_other() -> None:
    mine = Turn()
    order: list[str] = []

    async def take(name: str) -> None:
        async with mine.take():
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async with asyncio.TaskGroup() as group:
        for name in ("one", "two"):
            group.create_task(take(name))
    assert order == ["one begins", "one ends", "two begins", "two ends"]


async def test_a_scan_that_nobody_waits_for_lasts_its_time() -> None:
    loop, mine = asyncio.get_running_loop(), Turn()
    began_s = loop.time()
    await scan_for_ever(mine, within_s=0.05, began=asyncio.Event())
    assert loop.time() - began_s >= 0.05


@pytest.mark.parametrize("waits_before", [True, False])
async def test_whoever_waits_cuts_a_scan_short(monkeypatch: pytest.MonkeyPatch, waits_before: bool) -> None:
    monkeypatch.setattr(turn, "SHORTEST_SCAN_S", 0.05)
    mine, began, first = Turn(), asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        if waits_before:
            async with mine.take():
                group.create_task(scan_for_ever(mine, within_s=60.0, began=began))
                group.create_task(_take(mine, first))
                await asyncio.sleep(0)
        else:
            group.create_task(scan_for_ever(mine, within_s=60.0, began=began))
            await began.wait()
            group.create_task(_take(mine, first))
        await first.wait()


async def test_a_scan_shorter_than_that_is_not_made_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "SHORTEST_SCAN_S", 60.0)
    mine, began, first = Turn(), asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        group.create_task(scan_for_ever(mine, within_s=0.05, began=began))
        await began.wait()
        group.create_task(_take(mine, first))


async def test_the_end_of_a_scan_frees_the_adapter_whatever_ended_it() -> None:
    mine = Turn()
    with pytest.raises(OSError, match="adapter"):
        async with mine.take(), mine.scan(within_s=60.0):
            raise OSError("adapter")
    async with asyncio.timeout(20.0), mine.take():
        pass


async def _take(mine: Turn, taken: asyncio.Event) -> None:
    async with mine.take():
        taken.set()
