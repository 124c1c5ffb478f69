"""A retry loop ends when it is cancelled, also while one of its tasks fails."""

import asyncio

import pytest

from becalm_protocol.cancellation import raise_if_cancelled


async def fail_when(gone: asyncio.Event) -> None:
    await gone.wait()
    raise OSError("the peer has gone")


async def retry_for_ever(gone: asyncio.Event, connected: asyncio.Event) -> None:
    while True:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail_when(gone))
                connected.set()
        except* OSError:
            pass
        raise_if_cancelled()
        await asyncio.sleep(3600)


async def test_a_loop_cancelled_while_its_task_fails_ends() -> None:
    gone, connected = asyncio.Event(), asyncio.Event()
    loop = asyncio.create_task(retry_for_ever(gone, connected))
    await connected.wait()
    gone.set()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await loop


async def test_outside_a_cancellation_nothing_happens() -> None:
    raise_if_cancelled()
