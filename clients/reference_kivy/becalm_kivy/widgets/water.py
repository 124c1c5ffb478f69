"""The settling shape: water that lies smooth when arousal has ebbed and swells gently while the body is active."""

import math
from collections.abc import Callable
from typing import Any

from kivy.graphics import Color, Mesh
from kivy.graphics.texture import Texture
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty
from kivy.uix.widget import Widget

from becalm_kivy import theme

N_COLUMNS = 64
TEXTURE_PIXELS = 64
# Two swells pass each other slowly: one wave of the nearer takes 14 s, longer than a breath.
_SWELLS = ((1.6, 0.45, 0.0, 0.16), (2.3, -0.32, 1.9, 0.10))
"""Waves across the width, speed in rad/s, phase, opacity."""
CALM_SWELL_DP, ACTIVE_SWELL_DP = 1.5, 20.0


class Water(Widget):
    """Draws `level` from 0 (active) to 1 (settled); `seconds` moves it."""

    level = NumericProperty(0.5)
    seconds = NumericProperty(0.0)
    is_dimmed = BooleanProperty(defaultvalue=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._layers: list[tuple[Color, Mesh, Color, Mesh]] = []
        body, crest = _texture(_body_alpha), _texture(_crest_alpha)
        indices = list(range(2 * N_COLUMNS))
        with self.canvas:
            for _swell in _SWELLS:
                body_colour = Color(*theme.LAVENDER)
                body_mesh = Mesh(mode="triangle_strip", indices=indices, texture=body)
                crest_colour = Color(*theme.LAVENDER)
                crest_mesh = Mesh(mode="triangle_strip", indices=indices, texture=crest)
                self._layers.append((body_colour, body_mesh, crest_colour, crest_mesh))
        for name in ("pos", "size", "level", "seconds", "is_dimmed"):
            self.fbind(name, self._place)

    @property
    def swell(self) -> float:
        """Height of the swell in pixels."""
        return float(dp(CALM_SWELL_DP + (ACTIVE_SWELL_DP - CALM_SWELL_DP) * (1 - self.level)))

    def _place(self, *_args: object) -> None:
        strength = theme.STALE_ALPHA if self.is_dimmed else 1.0
        for swell, (body_colour, body, crest_colour, crest) in zip(_SWELLS, self._layers, strict=True):
            heights = [self._height(swell, column / (N_COLUMNS - 1)) for column in range(N_COLUMNS)]
            body_colour.a, crest_colour.a = swell[3] * strength * 2, swell[3] * strength * 5
            body.vertices = self._strip(heights, above=0.0, below=None)
            crest.vertices = self._strip(heights, above=dp(1.5), below=dp(1.5))

    def _height(self, swell: tuple[float, float, float, float], share: float) -> float:
        n_waves, speed, phase, _opacity = swell
        angle = 2 * math.pi * n_waves * share + speed * self.seconds + phase
        surface = self.y + self.height * 0.62
        return float(surface + self.swell * (0.75 * math.sin(angle) + 0.25 * math.sin(2.1 * angle + 1.3)))

    def _strip(self, heights: list[float], *, above: float, below: float | None) -> list[float]:
        vertices: list[float] = []
        for column, height in enumerate(heights):
            share = column / (N_COLUMNS - 1)
            x = self.x + share * self.width
            bottom = self.y if below is None else height - below
            vertices += (x, height + above, share, 1.0, x, bottom, share, 0.0)
        return vertices


def _texture(alpha: Callable[[float], float]) -> Texture:
    texture = Texture.create(size=(TEXTURE_PIXELS, TEXTURE_PIXELS), colorfmt="rgba")
    last = TEXTURE_PIXELS - 1
    pixels = bytearray()
    for row in range(TEXTURE_PIXELS):
        for column in range(TEXTURE_PIXELS):
            ends: float = min(1.0, 4 * min(column, last - column) / last)  # both ends melt into the page
            pixels += bytes((255, 255, 255, round(255 * ends * alpha(row / last))))
    texture.blit_buffer(bytes(pixels), colorfmt="rgba", bufferfmt="ubyte")
    return texture


def _body_alpha(share: float) -> float:
    """Clear at the bottom, full at the surface."""
    return float(share**1.5)


def _crest_alpha(share: float) -> float:
    """Full in the middle of a thin band, clear at both edges: a line without steps."""
    return max(0.0, 1 - abs(2 * share - 1))
