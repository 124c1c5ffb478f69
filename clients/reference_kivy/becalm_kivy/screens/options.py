"""The options: a sheet at the foot of the window with a handful of choices."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kivy.lang import Builder

from becalm_kivy import words
from becalm_kivy.preferences import TEXT_SCALES, Preferences
from becalm_kivy.widgets.controls import ChoiceRow, OptionRow, Sheet, SwitchRow

Builder.load_string(
    """
#:import theme becalm_kivy.theme
#:import words becalm_kivy.words

<OptionsSheet>:
    height: sheet.height
    pos_hint: {'x': 0, 'y': 0}
    BoxLayout:
        id: sheet
        orientation: 'vertical'
        size_hint_y: None
        height: self.minimum_height
        padding: dp(24), dp(16), dp(24), dp(24)
        spacing: dp(4)
        canvas.before:
            Color:
                rgba: theme.RAISED
            SmoothRoundedRectangle:
                pos: self.x, self.y - dp(28)
                size: self.width, self.height + dp(28)
                radius: [dp(28)]
        Words:
            text: words.OPTIONS
            font_size: '20sp'
            bold: True
        BoxLayout:
            id: rows
            orientation: 'vertical'
            size_hint_y: None
            height: self.minimum_height
        PillButton:
            text: words.OPTIONS_DONE
            fill: theme.CARD
            on_release: root.dismiss()
"""
)

_SWITCHES = {
    "show_curves": words.OPTION_CURVES,
    "show_numbers": words.OPTION_NUMBERS,
    "reduced_motion": words.OPTION_LESS_MOTION,
}


class OptionsSheet(Sheet):
    """Changes the preferences one press at a time; `on_change` gets each new set."""

    def __init__(
        self,
        preferences: Preferences,
        *,
        on_change: Callable[[Preferences], None],
        on_pair: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._preferences = preferences
        self._on_change = on_change
        self.switches = {name: SwitchRow(text=text) for name, text in _SWITCHES.items()}
        self.text_scale = ChoiceRow(text=words.OPTION_TEXT)
        for name, row in (*self.switches.items(), ("text_scale", self.text_scale)):
            row.fbind("on_release", self._press, name)
            self.ids.rows.add_widget(row)
        self.pairing = ChoiceRow(text=words.OPTION_PAIR, choice=words.CHOOSE)
        self.pairing.bind(on_release=self.dismiss)
        self.pairing.bind(on_release=lambda _row: on_pair())
        self.ids.rows.add_widget(self.pairing)
        self._show()

    def _press(self, name: str, _row: OptionRow) -> None:
        if name == "text_scale":
            place = TEXT_SCALES.index(self._preferences.text_scale)
            self._preferences = replace(self._preferences, text_scale=TEXT_SCALES[(place + 1) % len(TEXT_SCALES)])
        else:
            choice: dict[str, Any] = {name: not getattr(self._preferences, name)}
            self._preferences = replace(self._preferences, **choice)
        self._show()
        self._on_change(self._preferences)

    def _show(self) -> None:
        for name, row in self.switches.items():
            row.is_on = getattr(self._preferences, name)
        self.text_scale.choice = words.PERCENT.format(percent=round(100 * self._preferences.text_scale))
