"""The app in a window that is drawn off the screen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from becalm_kivy.preferences import PreferenceFile, Preferences
from becalm_kivy.servers import Keys, Servers

Pixel = tuple[int, int, int]


NO_KEYS = Keys(token=lambda _url: None, pair=lambda _link: "")


class Shown:
    """A running window."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.practice = app.practice

    async def pictures(self, n_pictures: int = 3) -> None:
        from kivy.clock import Clock

        done, left = asyncio.Event(), [n_pictures]

        def count(_dt: float) -> bool:
            left[0] -= 1
            if left[0] <= 0:
                done.set()
            return left[0] > 0

        Clock.schedule_interval(count, 0)
        async with asyncio.timeout(20.0):
            await done.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20.0):
            while not condition():
                await self.pictures(1)

    async def tap(self, widget: Any) -> None:
        from kivy.tests.common import UnitTestTouch

        touch = UnitTestTouch(*widget.to_window(*widget.center))
        touch.touch_down()
        await self.pictures(2)
        touch.touch_up()
        await self.pictures(3)

    async def pixels(self) -> tuple[bytes, int, int]:
        """The whole picture as RGBA, its width and height."""
        from kivy.core.window import Window
        from kivy.graphics.opengl import GL_RGBA, GL_UNSIGNED_BYTE, glReadPixels

        await self.pictures(8)  # layouts come to rest within a few, and the buffer read below may be one flip old
        taken: list[bytes] = []
        width, height = Window.system_size

        def take(*_args: object) -> None:
            taken.append(bytes(glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE)))

        Window.bind(on_flip=take)
        try:
            async with asyncio.timeout(20.0):
                while not taken:
                    Window.canvas.ask_update()
                    await self.pictures(1)
        finally:
            Window.unbind(on_flip=take)
        return taken[-1], width, height

    async def brightness_in(self, widget: Any) -> int:
        """The brightest channel of any pixel within a widget."""
        data, width, _height = await self.pixels()
        left, bottom = widget.to_window(*widget.pos)
        rows = range(int(bottom), int(bottom + widget.height))
        columns = slice(int(left), int(left + widget.width))
        return max(
            max(data[4 * width * row : 4 * width * (row + 1)][4 * columns.start : 4 * columns.stop : 4]) for row in rows
        )


Open = Callable[..., Any]


@pytest.fixture
def open_app(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def opened(url: str, preferences: Preferences | None = None, keys: Keys = NO_KEYS) -> AsyncIterator[Shown]:
        from becalm_kivy.screens.becalm_app import BecalmApp

        file = PreferenceFile(tmp_path / "client.json")
        file.write(preferences or Preferences())
        app = BecalmApp(Servers(url, keys), preference_file=file)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(app.follow()), group.create_task(app.carry_out_presses())]
            window = group.create_task(app.async_run(async_lib="asyncio"))
            async with asyncio.timeout(20.0):
                while app.root is None or not app.root.width > 100:  # noqa: ASYNC110 - Kivy tells nobody
                    await asyncio.sleep(0.01)
            shown = Shown(app)
            await shown.pictures()
            try:
                yield shown
            finally:
                app.stop()
                await window
                for task in tasks:
                    task.cancel()

    return opened
