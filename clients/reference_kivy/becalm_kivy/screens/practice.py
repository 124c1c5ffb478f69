"""The practice screen: shows a PracticeView, and says which button was pressed."""

from pathlib import Path
from typing import Any

from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

# The layout file names these widgets.
from becalm_kivy import figures, sentences, words
from becalm_kivy.pacer import PacerPhase
from becalm_kivy.practice_view import PracticeState, PracticeView
from becalm_kivy.preferences import Preferences
from becalm_kivy.signals import SignalView
from becalm_kivy.traces import SPAN_S, Curve, Traces
from becalm_kivy.widgets import controls, pacer_circle, water  # noqa: F401
from becalm_kivy.widgets.controls import Card
from becalm_kivy.widgets.curve_panel import CURVE_HEIGHT_DP, CurvePanel
from becalm_kivy.widgets.number_grid import NumberRow
from becalm_kivy.widgets.sensor_chip import MARKS, SensorChip
from becalm_protocol.units import NS_PER_S

Builder.load_file(str(Path(__file__).with_suffix(".kv")))

_CUES = {PacerPhase.IN: words.BREATHE_IN, PacerPhase.OUT: words.BREATHE_OUT, PacerPhase.IDLE: words.REST}


class PracticeScreen(BoxLayout):
    """Draws what it is told to; holds no knowledge of its own but whether motion is paused."""

    __events__ = ("on_main", "on_pause", "on_options")
    clock = StringProperty("")
    sentence = StringProperty("")
    notice = StringProperty("")
    cue = StringProperty("")
    cue_more = StringProperty("")
    settling_word = StringProperty("")
    settling_more = StringProperty("")
    is_settling_now = BooleanProperty(defaultvalue=False)
    age = StringProperty("")
    main_words = StringProperty(words.START)
    pause_words = StringProperty(words.PAUSE_MOTION)
    is_under_way = BooleanProperty(defaultvalue=False)
    is_busy = BooleanProperty(defaultvalue=False)
    is_paused = BooleanProperty(defaultvalue=False)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._preferences = Preferences()
        self._chips = {curve: SensorChip(name=sentences.CHIP_NAMES[curve]) for curve in Curve}
        self._panels = {
            curve: CurvePanel(curve=curve, name=sentences.TRACE_NAMES[curve], height_px=dp(CURVE_HEIGHT_DP))
            for curve in Curve
        }
        self._rows: dict[str, NumberRow] = {}
        # `ids` holds widgets weakly: a card that is taken off the screen would be gone.
        self._curves_card, self._numbers_card = self.ids.curves.__self__, self.ids.numbers.__self__
        for chip in self._chips.values():
            self.ids.chips.add_widget(chip)
        for panel in self._panels.values():
            self._curves_card.add_widget(panel)
        self.like(self._preferences)

    def like(self, preferences: Preferences) -> None:
        """Show what the person wishes to see."""
        self._preferences = preferences
        self.ids.pacer.reduced_motion = preferences.reduced_motion

    def show(self, view: PracticeView, traces: Traces, *, seconds: float) -> None:
        """Draw one moment; `seconds` is a clock of the screen's own for the water."""
        self._show_words(view)
        self._show_pacer(view)
        self._show_settling(view, seconds)
        for signal in view.signals:
            chip = self._chips[signal.curve]
            chip.state_words, chip.mark = figures.chip_text(signal), MARKS[signal.state]
        shows_curves = self._preferences.show_curves and view.draw_ns is not None
        self._place(self._curves_card, is_shown=shows_curves)
        if shows_curves:
            self._show_curves(view, traces)
        shows_numbers = self._preferences.show_numbers and bool(view.readings)
        self._place(self._numbers_card, is_shown=shows_numbers)
        if shows_numbers:
            self._show_numbers(view)

    def on_main(self) -> None:
        """Start or stop was pressed."""

    def on_pause(self) -> None:
        """Pause motion: nothing moves, words go on."""
        self.is_paused = not self.is_paused
        self.pause_words = words.MOVE_AGAIN if self.is_paused else words.PAUSE_MOTION

    def on_options(self) -> None:
        """The options were asked for."""

    def _show_words(self, view: PracticeView) -> None:
        clock = "" if view.elapsed_s is None else figures.clock_text(view.elapsed_s)
        self.sentence = view.sentence
        self.notice = view.notice or ""
        if self.clock != clock or not self.age:  # once a second: digits that flicker cannot be read
            self.age = figures.age_text(view)
        self.clock = clock
        self.is_under_way = view.state.is_under_way
        self.main_words = words.STOP if self.is_under_way else _START_WORDS.get(view.state, words.START)

    def _show_pacer(self, view: PracticeView) -> None:
        pacer = self.ids.pacer
        pacer.is_idle = view.pose.phase is PacerPhase.IDLE
        self.cue, self.cue_more = _cues(view)
        if not self.is_paused or pacer.is_idle:
            pacer.fullness = view.pose.fullness

    def _show_settling(self, view: PracticeView, seconds: float) -> None:
        self.settling_word, sentence = figures.settling_texts(view)
        self.settling_more = "\n".join(filter(None, (sentence, figures.arousal_from_text(view))))
        self.is_settling_now = view.settling.word is not None
        water_shape = self.ids.water
        water_shape.is_dimmed = not self.is_settling_now
        water_shape.level = 0.5 if view.settling.level is None else view.settling.level
        if not (self.is_paused or self._preferences.reduced_motion):
            water_shape.seconds = seconds

    def _show_curves(self, view: PracticeView, traces: Traces) -> None:
        end_ns = view.draw_ns or 0
        window_ns = (end_ns - SPAN_S * NS_PER_S, end_ns)
        for signal in view.signals:
            panel, ring = self._panels[signal.curve], traces.rings[signal.curve]
            if self.is_paused:
                panel.state_words = words.MOTION_PAUSED
                continue
            pieces = ring.segments(*window_ns)
            panel.view.show(pieces, window_ns=window_ns, is_live=signal.is_live)
            panel.state_words = _curve_words(signal, has_pieces=bool(pieces))

    def _show_numbers(self, view: PracticeView) -> None:
        for reading in view.readings:
            row = self._rows.get(reading.name)
            if row is None:
                row = self._rows[reading.name] = NumberRow(name=figures.reading_name(reading.name))
                self._numbers_card.add_widget(row)
            row.number = figures.reading_text(reading)
            row.is_now = reading.index.value is not None and not reading.is_stale

    def _place(self, card: Card, *, is_shown: bool) -> None:
        content = self.ids.content
        if is_shown and card.parent is None:
            is_below = card is self._curves_card and self._numbers_card.parent is not None
            content.add_widget(card, index=2 if is_below else 1)  # above the line of ages, curves first
        elif not is_shown and card.parent is not None:
            content.remove_widget(card)


def _curve_words(signal: SignalView, *, has_pieces: bool) -> str:
    if not has_pieces:
        return words.NOTHING_YET
    if not signal.is_live:
        return words.FROM_EARLIER
    return words.LAST_MINUTE if signal.curve is Curve.HEART else ""  # once is enough: the three share their time


_START_WORDS = {PracticeState.NO_SERVER: words.BEGIN_ALONE}


def _cues(view: PracticeView) -> tuple[str, str]:
    if view.state is PracticeState.CALIBRATING:
        if view.seconds_left is None:
            return words.AS_YOU_LIKE, ""
        return words.AS_YOU_LIKE, words.SECONDS_LEFT.format(seconds=round(view.seconds_left))
    return _CUES[view.pose.phase], ""
