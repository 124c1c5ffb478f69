"""One sensor: its name, how it is, its battery, and a mark whose shape says the same as its colour."""

from typing import Any

from kivy.graphics import Color, SmoothEllipse, SmoothLine, SmoothRoundedRectangle
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from becalm_kivy import theme
from becalm_kivy.signals import SignalState

Builder.load_string(
    """
#:import theme becalm_kivy.theme

<SensorChip>:
    size_hint_y: None
    height: max(dp(52), lines.height + dp(18))
    padding: dp(12), dp(8), dp(8), dp(8)
    spacing: dp(8)
    canvas.before:
        Color:
            rgba: theme.CARD
        SmoothRoundedRectangle:
            pos: self.pos
            size: self.size
            radius: [dp(16)]
    StateMark:
        mark: root.mark
        size_hint: None, None
        size: dp(10), dp(10)
        pos_hint: {'center_y': .5}
    BoxLayout:
        id: lines
        orientation: 'vertical'
        size_hint_y: None
        height: self.minimum_height
        pos_hint: {'center_y': .5}
        Words:
            text: root.name
            font_size: '14sp'
        Caption:
            text: root.state_words
            font_size: '12sp'
"""
)

MARKS = {
    SignalState.NOT_FOUND: "bar",
    SignalState.FOUND: "hollow",
    SignalState.LIVE: "full",
    SignalState.UNCLEAR: "open",
    SignalState.LATE: "open",
    SignalState.STALE: "open",
    SignalState.LOST: "bar",
}
_COLOURS = {"full": theme.TEAL, "open": theme.SAND, "hollow": theme.MUTED, "bar": theme.MUTED}


class StateMark(Widget):
    """A full dot: live; a ring: found, late or unclear; a bar: away."""

    mark = StringProperty("bar")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("pos", "size", "mark"):
            self.fbind(name, self._draw)

    def _draw(self, *_args: object) -> None:
        self.canvas.clear()
        with self.canvas:
            Color(*_COLOURS[self.mark])
            if self.mark == "bar":
                SmoothRoundedRectangle(
                    pos=(self.x, self.center_y - dp(1.5)), size=(self.width, dp(3)), radius=[dp(1.5)]
                )
            elif self.mark == "full":
                SmoothEllipse(pos=self.pos, size=self.size)
            else:
                SmoothLine(circle=(*self.center, self.width / 2 - dp(1)), width=dp(1.2))


class SensorChip(BoxLayout):
    """One sensor of the row."""

    name = StringProperty("")
    state_words = StringProperty("")
    mark = StringProperty("bar")
