import asyncio
import math
import os
import select
import signal
import time

import pytest

from becalm_protocol.errors import ConfigError
from becalm_server.worker_jobs import JobProcess
from becalm_server.worker_process import WorkerGoneError, WorkerProcess


async def test_work_happens_in_another_process() -> None:
    worker = JobProcess()
    try:
        assert await worker.run(math.sqrt, 16.0) == 4.0
        assert await worker.run(os.getpid) != os.getpid()
    finally:
        await worker.close()


async def test_errors_come_back_and_the_process_stays() -> None:
    worker = JobProcess()
    try:
        pid = await worker.run(os.getpid)
        with pytest.raises(ValueError, match="math domain"):
            await worker.run(math.sqrt, -1.0)
        assert await worker.run(os.getpid) == pid
    finally:
        await worker.close()


async def test_killed_process_is_replaced() -> None:
    worker = JobProcess()
    try:
        pid = await worker.run(os.getpid)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerGoneError):
            await worker.run(time.sleep, 60.0)
        assert await worker.run(os.getpid) != pid
    finally:
        await worker.close()


async def test_close_ends_a_busy_process_at_once() -> None:
    worker = JobProcess()
    process = os.pidfd_open(await worker.run(os.getpid))
    busy = asyncio.ensure_future(worker.run(time.sleep, 60.0))
    await asyncio.sleep(0)
    await worker.close()
    with pytest.raises(WorkerGoneError):
        async with asyncio.timeout(20.0):
            await busy
    assert select.select([process], [], [], 4)[0]  # readable once the process has ended
    os.close(process)


def refuse() -> None:
    raise ConfigError("expected another", setting="BECALM_PORT")


async def test_errors_with_fields_come_back_whole() -> None:
    worker = JobProcess()
    try:
        with pytest.raises(ConfigError, match=r"^BECALM_PORT: expected another$") as refused:
            await worker.run(refuse)
        assert refused.value.setting == "BECALM_PORT"
    finally:
        await worker.close()


async def test_process_that_did_not_start_is_started_by_the_next_job(monkeypatch: pytest.MonkeyPatch) -> None:
    start, failed = WorkerProcess.start, [OSError("no memory")]

    async def start_at_the_second_try(self: WorkerProcess) -> None:
        if failed:
            raise failed.pop()
        await start(self)

    monkeypatch.setattr(WorkerProcess, "start", start_at_the_second_try)
    worker = JobProcess()
    try:
        with pytest.raises(OSError, match="no memory"):
            await worker.run(os.getpid)
        assert await worker.run(math.sqrt, 16.0) == 4.0
    finally:
        await worker.close()


async def test_a_child_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BECALM_DATABASE_URL", "BECALM_TOKEN", "BECALM_OF_TESTS"):
        monkeypatch.setenv(name, "a word")
    jobs = JobProcess()
    try:
        told = [await jobs.run(os.getenv, name) for name in ("BECALM_DATABASE_URL", "BECALM_TOKEN", "BECALM_OF_TESTS")]
    finally:
        await jobs.close()
    assert told == [None, None, "a word"]


async def test_a_close_that_is_cancelled_leaves_no_dead_process_behind() -> None:
    worker = WorkerProcess("becalm_server.worker_jobs:serve_jobs")
    await worker.start()
    process = worker._process
    assert process is not None
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert process.returncode is not None  # somebody has waited for it
