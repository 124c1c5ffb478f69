"""The window: one picture after the other from the model, and presses turned into requests."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.metrics import Metrics
from kivy.uix.floatlayout import FloatLayout

from becalm_kivy import theme, words
from becalm_kivy.control import RequestRefusedError, start_session, stop_session
from becalm_kivy.feed import Feed, Told
from becalm_kivy.link_state import Link, LinkState
from becalm_kivy.model import PracticeModel
from becalm_kivy.practice_view import PracticeState, PracticeView
from becalm_kivy.preferences import PreferenceFile, Preferences
from becalm_kivy.screens.options import OptionsSheet
from becalm_kivy.screens.pairing import PairingSheet
from becalm_kivy.screens.practice import PracticeScreen
from becalm_kivy.screens.summary import SummaryScreen
from becalm_kivy.screens.window import PICTURES_HZ
from becalm_kivy.servers import CLIENT_NAME, Servers
from becalm_protocol.errors import ConfigError
from becalm_protocol.units import NS_PER_S

# Long enough to read a refusal twice.
REFUSAL_SHOWN_S = 12.0


class BecalmApp(App):
    """One person's practice; beside the window run `follow` and `carry_out_presses`."""

    title = words.APP_NAME

    def __init__(
        self,
        servers: Servers,
        *,
        preference_file: PreferenceFile,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = PracticeModel()
        self.options: OptionsSheet | None = None
        self.pairing: PairingSheet | None = None
        self._servers = servers
        self._links: asyncio.Queue[tuple[PairingSheet, str]] = asyncio.Queue()  # a sheet hands on one at a time
        self._preference_file = preference_file
        self._preferences = preference_file.read()
        self._clock_ns = clock_ns
        self._feed = self._make_feed()
        self._presses: asyncio.Queue[None] = asyncio.Queue(maxsize=1)  # DropNewest: one press is carried out at a time
        self._refusal: tuple[str, int] | None = None

    async def follow(self) -> None:
        """Follow the server, and from a pairing on the one of its link, for ever."""
        while True:
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._feed.run(self._take), name="feed")
                await self._wait_paired()
                following.cancel()
            self.model.leave_session()
            self._feed = self._make_feed()

    def view(self) -> PracticeView:
        """What is to be shown now."""
        return self.model.look(now_ns=self._clock_ns(), session_ns=self._feed.session_now_ns())

    async def carry_out_presses(self) -> None:
        """Carry out each press of the big button, for ever."""
        while True:
            await self._presses.get()
            self.practice.is_busy = True
            try:
                await self._start_or_stop(self.view())
            except RequestRefusedError as exc:
                self._refusal = (str(exc), self._clock_ns())
            finally:
                self.practice.is_busy = False

    def build(self) -> FloatLayout:
        """Make the screens."""
        Window.clearcolor = theme.INK
        self.practice = PracticeScreen()
        self.practice.bind(on_main=self._press_main, on_options=self._open_options)
        self.summary = SummaryScreen()
        self.summary.bind(on_done=lambda *_args: self.model.dismiss_summary())
        self._holder = FloatLayout()
        self._holder.add_widget(self.practice)
        self._like(self._preferences)
        return self._holder

    def on_start(self) -> None:
        """Begin to draw."""
        self._pictures = Clock.schedule_interval(self.draw, 1 / PICTURES_HZ)

    def on_stop(self) -> None:
        """Stop drawing; a next window starts with the text size of the system."""
        self._pictures.cancel()
        Window.allow_screensaver = True
        Metrics.fontscale = 1.0

    def on_pause(self) -> bool:
        """A phone that shows another app keeps this one as it is."""
        return True

    def draw(self, _dt: float = 0) -> None:
        """Draw the present moment."""
        view = self.view()
        self._show_screen(self.summary if view.summary is not None else self.practice)
        Window.allow_screensaver = not view.state.is_under_way
        if view.summary is not None:
            self.summary.show(view.summary)
        else:
            self.practice.show(view, self.model.traces, seconds=self._clock_ns() / NS_PER_S)
            if (refusal := self._current_refusal()) is not None:
                self.practice.notice = refusal

    def _show_screen(self, screen: PracticeScreen | SummaryScreen) -> None:
        if screen.parent is None:
            self._holder.clear_widgets()
            self._holder.add_widget(screen)

    def _press_main(self, *_args: object) -> None:
        self._refusal = None
        if self._presses.empty():
            self._presses.put_nowait(None)

    async def _start_or_stop(self, view: PracticeView) -> None:
        if view.state is PracticeState.ALONE:
            self.model.stop_alone()
        elif view.state is PracticeState.NO_SERVER:
            self.model.start_alone(now_ns=self._clock_ns())
        elif view.session_id is None:
            await start_session(self._servers.url, token=self._servers.token())
        else:
            await self._stop_session(view.session_id)

    async def _stop_session(self, session_id: str) -> None:
        try:
            await stop_session(self._servers.url, session_id, token=self._servers.token())
        except RequestRefusedError:
            if self._feed.state.link is Link.CONNECTED:
                raise
            self.model.leave_session()
            raise RequestRefusedError(words.STOPPED_HERE_ONLY) from None

    def _current_refusal(self) -> str | None:
        if self._refusal is None or self._clock_ns() - self._refusal[1] > REFUSAL_SHOWN_S * NS_PER_S:
            return None
        return self._refusal[0]

    def _make_feed(self) -> Feed:
        return Feed(self._servers.url, client_name=CLIENT_NAME, token=self._servers.token, clock_ns=self._clock_ns)

    def _take(self, message: Told) -> None:
        self.model.apply(message, now_ns=self._clock_ns())
        if isinstance(message, LinkState) and message.needs_pairing and self.pairing is None:
            self._open_pairing()  # once: whoever puts it away finds it in the options

    def _open_pairing(self) -> None:
        self.pairing = PairingSheet()
        self.pairing.bind(on_link=lambda sheet, link: self._links.put_nowait((sheet, link)))
        self.pairing.open(animation=not self._preferences.reduced_motion)

    async def _wait_paired(self) -> None:
        """Try the links that are handed on until one opens a server."""
        while True:
            sheet, link = await self._links.get()
            try:
                await self._servers.pair(link)
            except ConfigError as exc:
                sheet.refuse(str(exc).removeprefix(f"{exc.setting}: "))
            else:
                sheet.dismiss()
                self._change(replace(self._preferences, server_url=self._servers.url))
                return

    def _open_options(self, *_args: object) -> None:
        self.options = OptionsSheet(self._preferences, on_change=self._change, on_pair=self._open_pairing)
        self.options.open(animation=not self._preferences.reduced_motion)

    def _change(self, preferences: Preferences) -> None:
        self._preference_file.write(preferences)
        self._like(preferences)

    def _like(self, preferences: Preferences) -> None:
        self._preferences = preferences
        Metrics.fontscale = preferences.text_scale
        self.practice.like(preferences)
