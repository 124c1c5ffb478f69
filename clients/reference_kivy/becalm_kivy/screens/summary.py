"""The end of a session: how the person feels comes first, then one sentence, then one curve."""

from pathlib import Path
from typing import Any

from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from becalm_kivy import figures, theme, words
from becalm_kivy.summary import Summary
from becalm_kivy.widgets.controls import PillButton
from becalm_kivy.widgets.curve import CurveView

Builder.load_file(str(Path(__file__).with_suffix(".kv")))

# Arousal within ten points is rest with its scatter: a smaller span would make hills of it.
LEAST_AROUSAL_SPAN = 20.0


class SummaryScreen(BoxLayout):
    """Shows one Summary."""

    __events__ = ("on_done",)
    minutes = StringProperty("")
    sentence = StringProperty("")
    length = StringProperty("")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._curve = CurveView(least_span=LEAST_AROUSAL_SPAN, colour=theme.LAVENDER)
        self._curve.fbind("size", lambda *_args: self._draw())
        self._curve.fbind("pos", lambda *_args: self._draw())
        self._summary: Summary | None = None
        self.ids.curve.add_widget(self._curve)
        self._felt = [self._felt_button(text) for text in (words.FELT_EASIER, words.FELT_SAME, words.FELT_MORE_TENSE)]

    def show(self, summary: Summary) -> None:
        """Show a summary anew, with no answer chosen."""
        if summary is self._summary:
            return
        self._summary = summary
        self.length = figures.clock_text(summary.practice_s)
        self.minutes = figures.minutes_text(summary)
        self.sentence = figures.summary_text(summary)
        self.ids.card.opacity = 1 if len(summary.curve) > 1 else 0
        self._choose(None)
        self._draw()

    def on_done(self) -> None:
        """The person has read it."""

    def _felt_button(self, text: str) -> PillButton:
        button = PillButton(text=text, font_size="15sp", on_release=self._choose)
        self.ids.felt.add_widget(button)
        return button

    def _choose(self, chosen: PillButton | None) -> None:
        for button in self._felt:
            button.fill = theme.RAISED if button is chosen else theme.INK
            button.edge = theme.TEAL if button is chosen else theme.LINE

    def _draw(self) -> None:
        if self._summary is not None and len(self._summary.curve) > 1:
            curve = self._summary.curve
            self._curve.show([curve], window_ns=(curve[0][0], curve[-1][0]), is_live=True)
