"""One curve with its name, its present value if wanted, and what is wrong with it if anything is."""

from typing import Any

from kivy.lang import Builder
from kivy.properties import ColorProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from becalm_kivy import theme
from becalm_kivy.traces import Curve
from becalm_kivy.widgets.curve import CurveView

Builder.load_string(
    """
#:import theme becalm_kivy.theme

<CurvePanel>:
    orientation: 'vertical'
    size_hint_y: None
    height: self.minimum_height
    spacing: dp(4)
    BoxLayout:
        size_hint_y: None
        height: max(name.height, state.height)
        Caption:
            id: name
            text: root.name
            color: root.colour
            size_hint_x: 2
        Caption:
            id: state
            text: root.state_words
            halign: 'right'
"""
)

COLOURS = {Curve.HEART: theme.TEAL, Curve.BREATH: theme.LAVENDER, Curve.SKIN: theme.SAND}
# A quiet heart swings by a few beats a minute, calm skin drifts by tenths of a microsiemens: below these spans a curve
# would show nothing but noise, magnified. A belt's unit is its own, so any breath fills the height.
LEAST_SPANS = {Curve.HEART: 12.0, Curve.BREATH: 1e-6, Curve.SKIN: 0.4}
CURVE_HEIGHT_DP = 40


class CurvePanel(BoxLayout):
    """A caption over a curve."""

    name = StringProperty("")
    state_words = StringProperty("")
    colour = ColorProperty(theme.TEAL)

    def __init__(self, *, curve: Curve, height_px: float, **kwargs: Any) -> None:
        super().__init__(colour=COLOURS[curve], **kwargs)
        self.view = CurveView(least_span=LEAST_SPANS[curve], colour=COLOURS[curve], size_hint_y=None, height=height_px)
        self.add_widget(self.view)
