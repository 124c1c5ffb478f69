"""One sensor: its name, how it is, its battery, and a mark whose shape says the same as its colour."""

from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

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

<StateMark>:
    canvas:
        Color:
            rgba: theme.MUTED if self.mark in ('hollow', 'bar') else theme.TEAL if self.mark == 'full' else theme.SAND
        SmoothEllipse:
            pos: self.pos
            size: (0, 0) if self.mark == 'bar' else self.size
        SmoothRoundedRectangle:
            pos: self.x, self.center_y - dp(1.5)
            size: (self.width, dp(3)) if self.mark == 'bar' else (0, 0)
            radius: [dp(1.5)]
        Color:
            rgba: theme.CARD
        SmoothEllipse:
            pos: self.x + dp(2), self.y + dp(2)
            size: (self.width - dp(4), self.height - dp(4)) if self.mark in ('hollow', 'open') else (0, 0)
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


class StateMark(Widget):
    """A full dot: live; a ring: found, late or unclear; a bar: away."""

    mark = StringProperty("bar")


class SensorChip(BoxLayout):
    """One sensor of the row."""

    name = StringProperty("")
    state_words = StringProperty("")
    mark = StringProperty("bar")
