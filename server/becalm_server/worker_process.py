"""One child process of ours: frames of bytes to and from it. It is gone with us, however we end."""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys

LENGTH = struct.Struct("<I")
# What runs in such processes (NeuroKit2, pandas ...) is mostly the work of others, and needs none of these.
SECRETS = frozenset({"BECALM_DATABASE_URL", "BECALM_TOKEN"})
# A child that was killed is gone in milliseconds; nobody waits for one that the system cannot end.
REAP_LIMIT_S = 5.0


class WorkerGoneError(Exception):
    """The child ended, was ended, or was never there."""


class WorkerProcess:
    """Runs `serve(parent)` of a module, given as "module:serve", in a fresh interpreter.

    A socket pair is both the channel and the lifeline: each side takes its end for the other's death. It works on
    every system and with every event loop, which the pipes of asyncio do not.
    """

    def __init__(self, target: str, *arguments: str) -> None:
        self._words = (target, *arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the child; it may still be importing when this returns."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _spawn(self._words, theirs)
            except OSError as exc:
                ours.close()
                raise WorkerGoneError("no process could be started") from exc
        self._reader, self._writer = await asyncio.open_connection(sock=ours)

    def send_nowait(self, frame: bytes) -> None:
        """Queue a frame for the child, which reads at once whatever it computes."""
        if self._writer is not None:
            self._writer.writelines((LENGTH.pack(len(frame)), frame))

    async def receive(self) -> bytes:
        """Return the child's next frame. Raises WorkerGoneError."""
        if self._reader is None:
            raise WorkerGoneError("not started")
        try:
            (n_bytes,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            return await self._reader.readexactly(n_bytes)
        except (asyncio.IncompleteReadError, OSError) as exc:
            raise WorkerGoneError("the process ended") from exc

    def kill(self) -> None:
        """End the child at once, whatever it does; whoever waits for it hears WorkerGoneError."""
        if self._process is not None:
            self._process.kill()
        if self._writer is not None:
            self._writer.transport.abort()

    async def close(self) -> None:
        """End the child and wait until it is gone."""
        self.kill()
        process, writer = self._process, self._writer
        self._process = self._reader = self._writer = None
        if process is not None:  # first: whoever is cancelled here has asked for it already
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, REAP_LIMIT_S)
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def own_environment(**more: str) -> dict[str, str]:
    """Return the environment of a child: ours without our secrets; an address of the database it gets with each job."""
    return {name: value for name, value in os.environ.items() if name not in SECRETS} | more


def _spawn(words: tuple[str, ...], theirs: socket.socket) -> "subprocess.Popen[bytes]":
    # A fresh interpreter: a fork of a process with threads and open sockets is not safe. It finds what we find.
    command = [sys.executable, "-m", "becalm_server.worker_main"]
    environment = own_environment(PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path))
    if sys.platform == "win32":
        process = subprocess.Popen([*command, "-", *words], stdin=subprocess.PIPE, env=environment)
        assert process.stdin is not None  # noqa: S101  (asked for above)
        process.stdin.write(theirs.share(process.pid))
        process.stdin.close()
        return process
    number = str(theirs.fileno())
    return subprocess.Popen(
        [*command, number, *words], stdin=subprocess.DEVNULL, env=environment, pass_fds=(theirs.fileno(),)
    )
