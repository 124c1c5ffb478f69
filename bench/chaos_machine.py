"""Faults of the machine: processes killed or frozen, a database that is away, disks and files that run out."""

import asyncio
import os
import random
import resource
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from chaos_stage import Stage
from process_tree import tree_usage

from becalm_server.archive.embedded import EmbeddedPostgres

Fault = Callable[[Stage, random.Random], Awaitable[None]]
FROZEN_S = 10.0
AWAY_S = 6.0
FULL_DISK = """
    create function full_disk() returns trigger language plpgsql as $$
        begin raise 'could not extend file' using errcode = 'disk_full'; end $$;
    create trigger full_disk before insert on raw_event execute function full_disk();
"""


async def worker_killed(stage: Stage, dice: random.Random) -> None:
    """F03, F28: kill -9 the processes of pipelines, three times, as the kernel does where memory ends."""
    await _strike(stage, dice, "pipelines", signal.SIGKILL)


async def database_killed(stage: Stage, dice: random.Random) -> None:
    """F05: the database ends at once, three times, as good as a power cut: it recovers from its log."""
    await _strike(stage, dice, "postgres", signal.SIGQUIT)


async def worker_frozen(stage: Stage, _dice: random.Random) -> None:
    """F04: the processes of pipelines stop for ten seconds and wake as if nothing had been."""
    await _freeze(stage, "pipelines")


async def server_frozen(stage: Stage, _dice: random.Random) -> None:
    """F04: the server stops for ten seconds and wakes as if nothing had been."""
    await _freeze(stage, "serve")


async def database_frozen(stage: Stage, _dice: random.Random) -> None:
    """F05: the database answers nothing for ten seconds."""
    await _freeze(stage, "postgres")


async def database_crowded(stage: Stage, _dice: random.Random) -> None:
    """F05: the server's connections are ended, and others hold all that there are."""
    url, crowd = _database_url(stage), []
    try:
        crowd.append(boss := psycopg.connect(url, autocommit=True))
        for _ in range(round(AWAY_S / 0.1)):
            with suppress(psycopg.OperationalError):
                while True:
                    crowd.append(psycopg.connect(url))
            ours = [one.info.backend_pid for one in crowd]
            boss.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                " and not pid = any(%s)",
                (ours,),
            )
            await asyncio.sleep(0.1)
    finally:
        for one in crowd:
            one.close()
    stage.notes["connections_held"] = len(crowd)


async def database_read_only(stage: Stage, _dice: random.Random) -> None:
    """F05: the database refuses to write."""
    with psycopg.connect(_database_url(stage), autocommit=True) as boss:
        try:
            boss.execute("alter system set default_transaction_read_only = on")
            boss.execute("select pg_reload_conf()")
            await asyncio.sleep(AWAY_S)
        finally:
            boss.execute("set default_transaction_read_only = off")
            boss.execute("alter system reset default_transaction_read_only")
            boss.execute("select pg_reload_conf()")


async def database_full(stage: Stage, _dice: random.Random) -> None:
    """F05: the disk of the database is full."""
    with psycopg.connect(_database_url(stage), autocommit=True) as boss:
        boss.execute(FULL_DISK.encode())
        try:
            await asyncio.sleep(AWAY_S)
        finally:
            boss.execute("drop function full_disk cascade")


async def agent_disk_full(stage: Stage, _dice: random.Random) -> None:
    """F16: no file of the agent may grow: what it cannot keep is a gap, and it goes on measuring."""
    assert stage.agent is not None
    with _limited(stage.agent.pid, resource.RLIMIT_FSIZE, 4_096):
        await asyncio.sleep(AWAY_S)


async def files_run_out(stage: Stage, _dice: random.Random) -> None:
    """F28: the server may open no file more, and clients knock."""
    assert stage.server is not None
    n_open = len(os.listdir(f"/proc/{stage.server.pid}/fd"))
    knocking: list[asyncio.StreamWriter] = []
    with _limited(stage.server.pid, resource.RLIMIT_NOFILE, n_open):
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
            knocking.append(writer)
        stage.proxy.cut()  # the agent cannot come back meanwhile
        await asyncio.sleep(AWAY_S)
    for writer in knocking:
        writer.close()


async def _strike(stage: Stage, dice: random.Random, name: str, blow: signal.Signals) -> None:
    for _ in range(3):
        await asyncio.sleep(dice.uniform(1.0, 2.0))
        _send(blow, _parents(stage, name))


async def _freeze(stage: Stage, name: str) -> None:
    pids = [pid for pid, _ in _named(stage, name)]
    _send(signal.SIGSTOP, pids)
    try:
        await asyncio.sleep(FROZEN_S)
    finally:
        _send(signal.SIGCONT, pids)


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _named(stage: Stage, name: str) -> list[tuple[int, int]]:
    """Return process and parent of every process of that name below the server, itself included."""
    assert stage.server is not None
    family = tree_usage(stage.server.pid)
    found = [(pid, usage.parent_pid) for pid, usage in family.items() if usage.name == name]
    if not found and not stage.n_server_kills:  # in a mix the server may just be dead
        names = sorted({usage.name for usage in family.values()})
        raise SystemExit(f"expected a process named {name} below the server, got {names}")
    return found


def _parents(stage: Stage, name: str) -> list[int]:
    """Return those of that name whose parent is another: of a database the one that the others end with."""
    found = _named(stage, name)
    pids = {pid for pid, _ in found}
    return [pid for pid, parent_pid in found if parent_pid not in pids]


@contextmanager
def _limited(pid: int, kind: int, most: int) -> Iterator[None]:
    before = resource.prlimit(pid, kind, (most, resource.prlimit(pid, kind)[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


def _database_url(stage: Stage) -> str:
    return EmbeddedPostgres(stage.folder / "server" / "server" / "postgres").url


OF_THE_MACHINE: dict[str, Fault] = {
    "F03 F28 worker killed": worker_killed,
    "F04 server frozen": server_frozen,
    "F04 worker frozen": worker_frozen,
    "F05 database killed": database_killed,
    "F05 database frozen": database_frozen,
    "F05 database crowded": database_crowded,
    "F05 database read-only": database_read_only,
    "F05 database full": database_full,
    "F16 agent's disk full": agent_disk_full,
    "F28 files run out": files_run_out,
}
