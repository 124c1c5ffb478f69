"""Text and things to press: labels that grow with their text, buttons, switches and choices."""

from typing import Any

from kivy.lang import Builder
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.modalview import ModalView
from kivy.uix.widget import Widget

from becalm_kivy import theme

Builder.load_string(
    """
#:import theme becalm_kivy.theme

<Words>:
    font_size: '15sp'
    color: theme.TEXT
    text_size: self.width, None
    size_hint_y: None
    height: self.texture_size[1] if self.text else 0
    halign: 'left'
    valign: 'middle'

<Caption>:
    font_size: '13sp'
    color: theme.MUTED

<Card>:
    orientation: 'vertical'
    size_hint_y: None
    height: self.minimum_height
    padding: dp(16), dp(12)
    spacing: dp(8)
    canvas.before:
        Color:
            rgba: theme.CARD
        SmoothRoundedRectangle:
            pos: self.pos
            size: self.size
            radius: [dp(20)]

<Sheet>:
    size_hint: 1, None
    background: ''
    background_color: 0, 0, 0, 0
    overlay_color: 0, 0, 0, 0.55

<PillButton>:
    font_size: '16sp'
    color: self.ink
    size_hint_y: None
    natural_height: max(dp(56), self.texture_size[1] + dp(24))
    height: self.natural_height
    halign: 'center'
    valign: 'middle'
    text_size: self.width - dp(24), None
    opacity: 0.45 if self.disabled else 1
    canvas.before:
        Color:
            rgba: self.edge
        SmoothRoundedRectangle:
            pos: self.pos
            size: self.size
            radius: [min(self.height / 2, dp(28))]
        Color:
            rgba: self.shown_fill
        SmoothRoundedRectangle:
            pos: self.x + dp(1.5), self.y + dp(1.5)
            size: self.width - dp(3), self.height - dp(3)
            radius: [min(self.height / 2, dp(28)) - dp(1.5)]

<OptionRow>:
    size_hint_y: None
    height: max(dp(56), lines.height + dp(16))
    spacing: dp(16)
    Words:
        id: lines
        text: root.text
        font_size: '16sp'
        pos_hint: {'center_y': .5}

<ChoiceRow>:
    Words:
        text: root.choice
        font_size: '16sp'
        color: theme.TEAL
        halign: 'right'
        pos_hint: {'center_y': .5}

<SwitchRow>:
    SwitchMark:
        is_on: root.is_on
        size_hint: None, None
        size: dp(52), dp(32)
        pos_hint: {'center_y': .5}

<SwitchMark>:
    canvas:
        Color:
            rgba: theme.TEAL if self.is_on else theme.MUTED
        SmoothRoundedRectangle:
            pos: self.pos
            size: self.size
            radius: [self.height / 2]
        Color:
            rgba: theme.TEAL if self.is_on else theme.CARD
        SmoothRoundedRectangle:
            pos: self.x + dp(2), self.y + dp(2)
            size: self.width - dp(4), self.height - dp(4)
            radius: [self.height / 2 - dp(2)]
        Color:
            rgba: theme.ON_TEAL if self.is_on else theme.MUTED
        SmoothEllipse:
            size: self.height - dp(14), self.height - dp(14)
            pos: (self.right - self.height + dp(7) if self.is_on else self.x + dp(7)), self.y + dp(7)
"""
)


class Words(Label):
    """Text as high as its lines, at every text size."""


class Caption(Words):
    """Small muted text."""


class Card(BoxLayout):
    """A rounded surface as high as what it holds."""


class Sheet(ModalView):
    """A surface over the screen at one of its edges, which is dimmed behind it."""


class PillButton(ButtonBehavior, Label):
    """A rounded button, at least 48 dp high, with its own press feedback."""

    fill = ColorProperty(theme.INK)
    edge = ColorProperty(theme.LINE)
    ink = ColorProperty(theme.TEXT)
    shown_fill = ColorProperty(theme.INK)
    natural_height = NumericProperty(0)
    """As high as its words need."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("state", "fill"):
            self.fbind(name, self._shade)
        self._shade()

    def _shade(self, *_args: object) -> None:
        red, green, blue, alpha = self.fill
        lift = 0.06 if self.state == "down" else 0.0
        self.shown_fill = (min(1, red + lift), min(1, green + lift), min(1, blue + lift), alpha)


class SwitchMark(Widget):
    """The picture of a switch."""

    is_on = BooleanProperty(defaultvalue=False)


class OptionRow(ButtonBehavior, BoxLayout):
    """One line of the options; the whole line can be pressed."""

    text = StringProperty("")


class ChoiceRow(OptionRow):
    """Words and the present choice of several."""

    choice = StringProperty("")


class SwitchRow(OptionRow):
    """Words and a switch."""

    is_on = BooleanProperty(defaultvalue=False)


class IconButton(ButtonBehavior, Widget):
    """A 48 dp place to press; what it shows is drawn by its rule."""

    glow = NumericProperty(0)

    def on_state(self, _widget: Widget, state: str) -> None:
        """Show the press."""
        self.glow = 1 if state == "down" else 0
