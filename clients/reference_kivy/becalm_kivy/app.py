"""Open the window. Kivy is imported only inside these functions, after its environment is settled."""

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from becalm_kivy.kivy_setup import prepare_kivy
from becalm_kivy.own_folder import own_folder
from becalm_kivy.preferences import PreferenceFile
from becalm_kivy.screen_check import can_open_window
from becalm_kivy.servers import THIS_MACHINE, Keys, Servers
from becalm_protocol.address import live_address
from becalm_protocol.errors import ConfigError

if TYPE_CHECKING:
    from becalm_kivy.screens.becalm_app import BecalmApp


def run_app(url: str | None = None, *, keys: Keys | None = None, stop_after_s: float | None = None) -> None:
    """Show the practice until the window is closed or `stop_after_s` has passed.

    `url` is the server's, else the one last paired in the window, else this machine's. Raises ConfigError where no
    window can open or the address is none.
    """
    if url is not None:
        live_address(url)
    possible, why_not = can_open_window()
    if not possible and os.environ.get("SDL_VIDEODRIVER") != "offscreen":
        raise ConfigError(f"no window can open here: {why_not}; use --kind terminal", setting="screen")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_app_async(url, keys=keys, stop_after_s=stop_after_s))


async def run_app_async(url: str | None = None, *, keys: Keys | None = None, stop_after_s: float | None = None) -> None:
    """Show the practice in the running loop. Raises ConfigError where no window can open."""
    folder = own_folder()
    prepare_kivy(folder)
    from becalm_kivy.screens.window import open_window

    open_window()
    from becalm_kivy.screens.becalm_app import BecalmApp

    preference_file = PreferenceFile(folder / "client.json")
    place = url or preference_file.read().server_url or THIS_MACHINE
    app = BecalmApp(Servers(place, keys or Keys.of_this_client(folder)), preference_file=preference_file)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(app.follow(), name="feed"),
            group.create_task(app.carry_out_presses(), name="presses"),
            group.create_task(_stop_later(app, stop_after_s), name="end"),
        ]
        try:
            await app.async_run(async_lib="asyncio")
        except asyncio.CancelledError:
            app.stop()
            raise
        finally:
            for task in tasks:
                task.cancel()


async def _stop_later(app: "BecalmApp", stop_after_s: float | None) -> None:
    """Close the window at the end of its time, or when the system asks this process to end."""
    ended = asyncio.Event()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not in the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(stop_after_s):
            await ended.wait()
    app.stop()
