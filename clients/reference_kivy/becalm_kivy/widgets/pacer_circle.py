"""The pacer: a circle that fills and empties, or, with less motion, a ring that does."""

from typing import Any

from kivy.graphics import Color, Rectangle, SmoothEllipse, SmoothLine
from kivy.graphics.texture import Texture
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty
from kivy.uix.widget import Widget

from becalm_kivy import theme

# The smallest circle still holds its words; the largest leaves the glow its room.
SMALLEST, LARGEST = 0.50, 0.90
GLOW_PIXELS = 128


class PacerCircle(Widget):
    """Draws `fullness` from 0 to 1."""

    fullness = NumericProperty(0.35)
    reduced_motion = BooleanProperty(defaultvalue=False)
    is_idle = BooleanProperty(defaultvalue=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.canvas:
            self._glow_colour = Color(*theme.faint(theme.TEAL, 0.30))
            self._glow = Rectangle(texture=_glow_texture())
            Color(*theme.faint(theme.TEAL, 0.16))
            self._track = SmoothLine(width=dp(1))
            self._disc_colour = Color(*theme.faint(theme.TEAL, 0.24))
            self._disc = SmoothEllipse()
            self._ring_colour = Color(*theme.TEAL)
            self._ring = SmoothLine(width=dp(1.6))
        for name in ("pos", "size", "fullness", "reduced_motion", "is_idle"):
            self.fbind(name, self._place)

    @property
    def radius(self) -> float:
        """Radius of the disc in pixels."""
        largest = min(self.width, self.height) / 2
        share = 0.5 if self.reduced_motion else self.fullness
        return float(largest * (SMALLEST + (LARGEST - SMALLEST) * share))

    def _place(self, *_args: object) -> None:
        radius, (x, y) = self.radius, self.center
        largest = min(self.width, self.height) / 2 * LARGEST
        self._glow_colour.a = 0.16 if self.is_idle else 0.30
        self._disc_colour.a = 0.13 if self.is_idle else 0.24
        self._ring_colour.a = 0.45 if self.is_idle else 0.95
        self._glow.pos, self._glow.size = (x - 1.45 * radius, y - 1.45 * radius), (2.9 * radius, 2.9 * radius)
        self._disc.pos, self._disc.size = (x - radius, y - radius), (2 * radius, 2 * radius)
        if self.reduced_motion:
            self._track.circle = (x, y, radius)
            self._ring.circle = (x, y, radius, 0, 360 * max(0.004, self.fullness))
        else:
            self._track.circle = (x, y, largest)
            self._ring.circle = (x, y, radius)


def _glow_texture() -> Texture:
    """A soft round light: opaque where the disc ends, clear at its rim."""
    texture = Texture.create(size=(GLOW_PIXELS, GLOW_PIXELS), colorfmt="rgba")
    middle = (GLOW_PIXELS - 1) / 2
    pixels = bytearray()
    for row in range(GLOW_PIXELS):
        for column in range(GLOW_PIXELS):
            distance = min(1.0, ((row - middle) ** 2 + (column - middle) ** 2) ** 0.5 / middle)
            pixels += bytes((255, 255, 255, round(255 * (1 - distance) ** 1.6)))
    texture.blit_buffer(bytes(pixels), colorfmt="rgba", bufferfmt="ubyte")
    return texture
