"""The child's side of `WorkerProcess`: `python -m becalm_server.worker_main SOCKET module:serve [arguments]`."""

import os
import queue
import signal
import socket
import sys
import threading
from importlib import import_module
from typing import Any

from becalm_server.worker_process import LENGTH


class Parent:
    """Frames from and to the process that started us."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def receive(self) -> bytes:
        """Return the next frame, once there is one."""
        return self._frames.get()

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        try:
            self._connection.sendall(LENGTH.pack(len(frame)) + frame)
        except OSError:
            os._exit(0)

    def _listen(self) -> None:
        # A thread, so that we leave at once when our parent does, whatever we compute; it bounds what it has sent.
        with self._connection.makefile("rb") as stream:
            try:
                while len(head := stream.read(LENGTH.size)) == LENGTH.size:
                    self._frames.put(stream.read(*LENGTH.unpack(head)))
            except OSError:
                pass  # killed in the middle of a frame
        os._exit(0)


def resolve(target: str) -> Any:
    """Return what "module:name" names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def main() -> None:
    """Serve until the parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the parent, which ends us when it has drained
        signal.signal(number, signal.SIG_IGN)
    where, target, *arguments = sys.argv[1:]
    resolve(target)(Parent(_connection(where)), *arguments)


def _connection(where: str) -> socket.socket:
    if sys.platform == "win32":
        return socket.fromshare(sys.stdin.buffer.read())
    return socket.socket(fileno=int(where))


if __name__ == "__main__":
    main()
