"""One curve over the last minute, drawn by sample time, with a scale that never jumps."""

from collections.abc import Sequence
from typing import Any

from kivy.graphics import Color, SmoothEllipse, SmoothLine
from kivy.metrics import dp
from kivy.properties import ColorProperty
from kivy.uix.widget import Widget

from becalm_kivy import theme

Point = tuple[int, float]

N_PIECES = 8
"""More breaks than this within a minute are not worth drawing."""
# 400 points fill a phone's width; the bins stand still in time, so that the line does not shimmer as it moves.
BIN_NS = 150_000_000
# The scale moves a sixteenth of its way at each picture: about a second to follow.
SCALE_EASING = 0.06
# Once a curve is off by more than its own height (a first value, another sensor), easing would only hide it.
JUMP_SPANS = 1.5


class CurveView(Widget):
    """Draws the pieces of a curve."""

    colour = ColorProperty(theme.TEAL)

    def __init__(self, *, least_span: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least_span = least_span
        self._scale: tuple[float, float] | None = None
        with self.canvas:
            self._pen = Color(*self.colour)
            self._lines = [SmoothLine(width=dp(1.3)) for _piece in range(N_PIECES)]
            self._dot_colour = Color(*theme.faint(tuple(self.colour), 0.0))
            self._dot = SmoothEllipse(size=(dp(6), dp(6)))

    def show(self, pieces: Sequence[Sequence[Point]], *, window_ns: tuple[int, int], is_live: bool) -> None:
        """Draw `pieces` of the time window; what is not live is faint."""
        self._pen.rgba = theme.faint(tuple(self.colour), 1.0 if is_live else theme.STALE_ALPHA)
        thinned = [thin(piece) for piece in pieces[-N_PIECES:]]
        self._follow_scale(thinned)
        end = None
        for line, piece in zip(self._lines, thinned + [[]] * (N_PIECES - len(thinned)), strict=True):
            line.points = self._points(piece, window_ns)
            end = line.points[-2:] or end
        self._place_dot(end, is_live=is_live)

    def _follow_scale(self, pieces: list[list[Point]]) -> None:
        levels = [level for piece in pieces for _t_ns, level in piece]
        if not levels:
            self._scale = None
            return
        low, high = min(levels), max(levels)
        missing = max(0.0, self._least_span - (high - low))
        low, high = low - missing / 2, high + missing / 2
        if self._scale is None or abs(low - self._scale[0]) + abs(high - self._scale[1]) > JUMP_SPANS * (high - low):
            self._scale = (low, high)
            return
        was_low, was_high = self._scale
        self._scale = (was_low + SCALE_EASING * (low - was_low), was_high + SCALE_EASING * (high - was_high))

    def _points(self, piece: list[Point], window_ns: tuple[int, int]) -> list[float]:
        if len(piece) < 2 or self._scale is None:
            return []
        low, high = self._scale
        start_ns, end_ns = window_ns
        per_ns = self.width / (end_ns - start_ns)
        per_level = self.height / max(high - low, 1e-9)
        points: list[float] = []
        for t_ns, level in piece:
            points += (self.x + (t_ns - start_ns) * per_ns, self.y + min(max(level - low, 0), high - low) * per_level)
        return points

    def _place_dot(self, end: list[float] | None, *, is_live: bool) -> None:
        is_seen = bool(end) and is_live
        self._dot_colour.rgba = theme.faint(tuple(self.colour), 1.0 if is_seen else 0.0)
        if end:
            self._dot.pos = (end[0] - dp(3), end[1] - dp(3))


def thin(piece: Sequence[Point]) -> list[Point]:
    """Keep one point of each bin of time, and both ends."""
    kept = [point for idx, point in enumerate(piece) if not idx or point[0] // BIN_NS != piece[idx - 1][0] // BIN_NS]
    if piece and kept[-1] != piece[-1]:
        kept.append(piece[-1])
    return kept
