"""The pairing sheet: a link is pasted or typed, the server answers, and what it said is read here."""

from typing import Any

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from becalm_kivy.widgets.controls import Sheet

Builder.load_string(
    """
#:import theme becalm_kivy.theme
#:import words becalm_kivy.words

<PairingSheet>:
    height: sheet.height
    pos_hint: {'x': 0, 'top': 1}  # the keyboard of a phone is at the foot
    BoxLayout:
        id: sheet
        orientation: 'vertical'
        size_hint_y: None
        height: self.minimum_height
        padding: dp(24), dp(24), dp(24), dp(16)
        spacing: dp(12)
        canvas.before:
            Color:
                rgba: theme.RAISED
            SmoothRoundedRectangle:
                pos: self.pos
                size: self.width, self.height + dp(28)
                radius: [dp(28)]
        Words:
            text: words.PAIRING
            font_size: '20sp'
            bold: True
        Words:
            text: words.PAIRING_HOW
            color: theme.MUTED
        TextInput:
            id: link
            hint_text: words.PAIRING_HINT
            multiline: False
            write_tab: False
            input_type: 'url'
            font_size: '16sp'
            size_hint_y: None
            height: max(dp(48), self.minimum_height)
            padding: dp(12), dp(14)
            background_normal: ''
            background_active: ''
            background_color: theme.CARD
            foreground_color: theme.TEXT
            hint_text_color: theme.MUTED
            cursor_color: theme.TEAL
            selection_color: theme.faint(theme.TEAL, 0.3)
            disabled_foreground_color: theme.MUTED
            disabled: root.is_busy
            on_text_validate: root.ask()
        Words:
            id: answer
            text: root.answer
            color: theme.SAND
        BoxLayout:
            size_hint_y: None
            height: max(paste.natural_height, pair.natural_height)
            spacing: dp(12)
            PillButton:
                id: paste
                text: words.PASTE
                fill: theme.CARD
                disabled: root.is_busy
                on_release: root.paste()
            PillButton:
                id: pair
                text: words.PAIR
                fill: theme.TEAL
                edge: theme.TEAL
                ink: theme.ON_TEAL
                bold: True
                disabled: root.is_busy
                on_release: root.ask()
        PillButton:
            id: close
            text: words.NOT_NOW
            fill: theme.RAISED
            edge: theme.RAISED
            ink: theme.MUTED
            on_release: root.dismiss()
"""
)


class PairingSheet(Sheet):
    """Asks for a link; `on_link` gets it, and whoever hears it sets `answer` or dismisses the sheet."""

    __events__ = ("on_link",)
    answer = StringProperty("")
    is_busy = BooleanProperty(defaultvalue=False)

    def paste(self) -> None:
        """Take what was copied elsewhere."""
        # Only now: on Linux it looks for helpers as it is imported, and complains aloud.
        from kivy.core.clipboard import Clipboard

        self.ids.link.text = (Clipboard.paste() or "").strip()

    def ask(self) -> None:
        """Hand the link on, once."""
        link = self.ids.link.text.strip()
        if link and not self.is_busy:
            self.is_busy, self.answer = True, ""
            self.dispatch("on_link", link)

    def refuse(self, sentence: str) -> None:
        """Say why it did not work; the link stays to be corrected."""
        self.answer, self.is_busy = sentence[:1].upper() + sentence[1:], False

    def on_link(self, link: str) -> Any:
        """A link was handed on."""
