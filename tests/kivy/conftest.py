"""A server that speaks the real wire in this process, a made-up person's messages, and a window without a display."""

import ctypes.util
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.kivy.person import Person
from tests.kivy.scripted_server import Desk, ScriptedServer
from websockets.asyncio.server import Server, serve
from websockets.typing import Subprotocol

from becalm_kivy.kivy_setup import prepare_kivy

# Before any test imports Kivy: no window of this machine, no file of this user.
os.environ["SDL_VIDEODRIVER"] = "offscreen"
os.environ["KIVY_HOME"] = tempfile.mkdtemp(prefix="becalm-test-kivy-")
prepare_kivy(Path(os.environ["KIVY_HOME"]))


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
async def start_server() -> AsyncIterator[Callable[[ScriptedServer], Awaitable[Server]]]:
    async with AsyncExitStack() as servers:

        async def start(scripted: ScriptedServer) -> Server:
            server = await servers.enter_async_context(
                serve(
                    scripted.speak,
                    "127.0.0.1",
                    scripted.port,
                    subprotocols=[Subprotocol("becalm.v1.json")],
                    compression=None,
                    close_timeout=0.2,
                )
            )
            scripted.port = next(iter(server.sockets)).getsockname()[1]
            return server

        yield start


@pytest.fixture
async def scripted(start_server: Callable[[ScriptedServer], Awaitable[Server]]) -> ScriptedServer:
    server = ScriptedServer()
    await start_server(server)
    return server


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    thread = threading.Thread(target=desk.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield desk
    desk.server.shutdown()
    desk.server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def gl() -> None:
    """Skip where nothing can draw."""
    missing = [name for name in ("GL", "EGL") if ctypes.util.find_library(name) is None]
    if missing and os.name == "posix":
        pytest.skip(f"no lib{' and lib'.join(missing)}: apt-get install libgl1 libegl1 libgl1-mesa-dri libmtdev1")
    from becalm_kivy.screens.window import open_window

    open_window()
