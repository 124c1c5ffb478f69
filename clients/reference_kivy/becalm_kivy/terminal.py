"""The practice in a terminal: the same model as the window, calm, from 80 x 24 characters up.

Where nobody looks (a pipe, a file) it is a line a second.
"""

import asyncio
import errno
import time

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live as LiveDisplay
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from becalm_kivy import figures, sentences, words
from becalm_kivy.feed import Feed, RequestRefusedError, Told, start_session
from becalm_kivy.link_state import Link, LinkState
from becalm_kivy.model import PracticeModel
from becalm_kivy.pacer import PacerPhase
from becalm_kivy.practice_view import PracticeState, PracticeView
from becalm_kivy.signals import SignalView
from becalm_protocol.handshake import AgentPresence, ClientWelcome
from becalm_protocol.pairing import TokenSource, no_token

TEXT, MUTED, TEAL, SAND, LAVENDER = "#e6edf2", "#9eb0bf", "#5cc2ba", "#edc27a", "#a8adf2"
# Eight pictures a second are smooth for a bar of characters and cost 1 % of a core.
PICTURE_S = 0.125
LINE_S = 1.0
BAR_CELLS = 40
NAME_CELLS = 26


async def run_terminal(
    url: str,
    *,
    stop: asyncio.Event,
    token: TokenSource = no_token,
    start: bool = False,
    console: Console | None = None,
) -> None:
    """Show the practice until `stop` is set; with `start`, start a session as soon as an agent is there.

    Raises BrokenPipeError where it is read by a program that has ended.
    """
    feed = Feed(url, client_name="becalm terminal", token=token)
    practice = TerminalPractice(feed, url=url, token=token, start=start)
    has_reader = True
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(feed.run(practice.take), name="feed"),
                group.create_task(practice.start_when_ready(), name="start"),
                group.create_task(_show(practice, console=console), name="pictures"),
            ]
            await stop.wait()
            for task in tasks:
                task.cancel()
    except* BrokenPipeError:
        has_reader = False
    if not has_reader:  # by itself, as the command line knows it
        raise BrokenPipeError(errno.EPIPE, "nobody reads any more")


async def _show(practice: "TerminalPractice", *, console: Console | None) -> None:
    shown_on = console or Console()
    if not shown_on.is_terminal:
        while True:
            print(practice.line(), file=shown_on.file, flush=True)
            await asyncio.sleep(LINE_S)
    with LiveDisplay(console=shown_on, auto_refresh=False, screen=console is None) as display:
        while True:
            display.update(practice.picture(), refresh=True)
            await asyncio.sleep(PICTURE_S)


class TerminalPractice:
    """Feeds a model and draws it."""

    def __init__(self, feed: Feed, *, url: str, start: bool, token: TokenSource = no_token) -> None:
        self._feed = feed
        self._token = token
        self._url = url
        self._model = PracticeModel()
        self._wants_start = start
        self._agent_here = asyncio.Event()
        self._refusal: str | None = None

    def take(self, message: Told) -> None:
        """Take one message of the feed."""
        self._model.apply(message, now_ns=time.monotonic_ns())
        if isinstance(message, ClientWelcome | AgentPresence) and message.agent_connected:
            self._agent_here.set()
        elif isinstance(message, LinkState) and message.link is not Link.CONNECTED:
            self._agent_here.clear()

    async def start_when_ready(self) -> None:
        """Start one session, once an agent is there and none is under way."""
        while self._wants_start:
            await self._agent_here.wait()
            if self.view().state.is_under_way:
                return
            try:
                await start_session(self._url, token=self._token())
            except RequestRefusedError as exc:
                self._refusal = str(exc)
                self._agent_here.clear()
            else:
                self._refusal, self._wants_start = None, False

    def view(self) -> PracticeView:
        """What to show now."""
        return self._model.look(now_ns=time.monotonic_ns(), session_ns=self._feed.session_now_ns())

    def picture(self) -> RenderableType:
        """Draw the present moment."""
        return draw(self.view(), refusal=self._refusal)

    def line(self) -> str:
        """Say the present moment in one line."""
        return say(self.view(), refusal=self._refusal)


def draw(view: PracticeView, *, refusal: str | None = None) -> RenderableType:
    """Return one picture of a view, at most 23 lines high and 78 characters wide."""
    if view.summary is not None:
        return Padding(_summary(view), (1, 2))
    parts: list[RenderableType] = [_heading(view), Text(), Text(view.sentence, style=TEXT)]
    parts.append(Text(refusal or (view.notice or "").replace("\n", " "), style=SAND))
    parts += [Text(), _pacer(view), Text(), _settling(view), Text(), _sensors(view), Text(), _numbers(view)]
    parts.append(Text(figures.age_text(view), style=MUTED))
    return Padding(Group(*parts), (1, 2, 0, 2))


def say(view: PracticeView, *, refusal: str | None = None) -> str:
    """Return a view as one line, parts that have nothing to say left out."""
    if view.summary is not None:
        told = [words.SUMMARY_FELT, figures.summary_text(view.summary), figures.minutes_text(view.summary)]
    else:
        elapsed = "" if view.elapsed_s is None else figures.clock_text(view.elapsed_s)
        told = [elapsed, view.sentence, refusal or view.notice or ""]
        told += [_cue(view), figures.settling_texts(view)[0]] if view.state.is_under_way else []
        told += [f"{figures.reading_name(one.name)} {figures.reading_text(one)}" for one in view.readings]
        told += [figures.arousal_from_text(view), figures.age_text(view)]
    return " | ".join(" ".join(part.split()) for part in told if part)


def _heading(view: PracticeView) -> RenderableType:
    row = Table.grid(expand=True)
    row.add_column()
    row.add_column(justify="right")
    elapsed = "" if view.elapsed_s is None else figures.clock_text(view.elapsed_s)
    row.add_row(Text(words.APP_NAME, style=f"bold {TEXT}"), Text(elapsed, style=MUTED))
    return row


def _pacer(view: PracticeView) -> RenderableType:
    n_full = round(view.pose.fullness * BAR_CELLS)
    style = MUTED if view.pose.phase is PacerPhase.IDLE else TEAL
    bar = Text("\u2588" * n_full, style=style) + Text("\u2591" * (BAR_CELLS - n_full), style=f"dim {style}")
    return Group(Align.center(Text(_cue(view), style=f"bold {TEXT}")), Align.center(bar))


def _cue(view: PracticeView) -> str:
    if view.state is PracticeState.CALIBRATING and view.seconds_left is not None:
        return f"{words.AS_YOU_LIKE}, {words.SECONDS_LEFT.format(seconds=round(view.seconds_left))}"
    return {PacerPhase.IN: words.BREATHE_IN, PacerPhase.OUT: words.BREATHE_OUT, PacerPhase.IDLE: words.REST}[
        view.pose.phase
    ]


def _settling(view: PracticeView) -> RenderableType:
    word, sentence = figures.settling_texts(view)
    level = view.settling.level
    marks = Text("\u2500" * BAR_CELLS, style=MUTED)
    if level is not None:
        at = min(BAR_CELLS - 1, round(level * (BAR_CELLS - 1)))
        style = f"dim {LAVENDER}" if view.settling.is_stale else LAVENDER
        marks = Text("\u2500" * at, style=MUTED) + Text("\u25cf", style=style)
        marks += Text("\u2500" * (BAR_CELLS - 1 - at), style=MUTED)
    ends = Text(f"{words.ACTIVE.lower()} ", style=MUTED) + marks + Text(f" {words.SETTLING.lower()}", style=MUTED)
    told = Text(f"{word}. {sentence}" if word else "", style=TEXT)
    return Group(
        Align.center(ends), Align.center(told), Align.center(Text(figures.arousal_from_text(view), style=MUTED))
    )


def _sensors(view: PracticeView) -> RenderableType:
    row = Table.grid(padding=(0, 4))
    row.add_row(*(_sensor(signal) for signal in view.signals))
    return row


def _sensor(signal: SignalView) -> Text:
    style = TEAL if signal.is_live else MUTED
    name = Text(f"{sentences.CHIP_NAMES[signal.curve]} ", style=TEXT)
    return name + Text(figures.chip_text(signal), style=style)


def _numbers(view: PracticeView) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=NAME_CELLS)
    for reading in view.readings:
        is_now = reading.index.value is not None and not reading.is_stale
        style = TEXT if is_now else MUTED
        table.add_row(Text(figures.reading_name(reading.name), style=MUTED), Text(figures.reading_text(reading), style))
    return table


def _summary(view: PracticeView) -> RenderableType:
    if view.summary is None:
        return Text()
    return Group(
        Text(words.SUMMARY_FELT, style=f"bold {TEXT}"),
        Text(),
        Text(figures.summary_text(view.summary), style=TEXT),
        Text(),
        Text(figures.minutes_text(view.summary), style=MUTED),
    )
