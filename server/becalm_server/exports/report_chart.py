"""A line over session time as SVG: its 95 % band, the phases behind it, markers above; one colour, that of the text.

Whatever the page's colours, on a screen or on paper, it is drawn in them; where nothing was told, nothing is drawn.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import chain
from statistics import median

from becalm_server.exports.report_facts import Mark, Point

LEFT, RIGHT, TOP, BOTTOM = 38, 8, 24, 24
# As many as a page is wide in points: more would not be seen, and make the file long.
MAX_POINTS = 480
# Indices are told every second.
SILENCE_S = 2.0
_MINUTE_STEPS = (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
_TICK_WIDTH = 60


def chart(
    points: Sequence[Point],
    *,
    title: str,
    description: str,
    end_s: float,
    phases: Sequence[Mark],
    markers: Sequence[Mark],
    size: tuple[int, int],
) -> str:
    """Return the picture, of a width and height in points of its letters' size 11."""
    spoken = _stretches(points)
    if len(points) > MAX_POINTS:
        spoken = [_thinned(stretch, end_s=end_s) for stretch in spoken]
    runs = [run for stretch in spoken for run in _runs(stretch)]
    low, high = _limits(chain.from_iterable(runs))
    scale = _Scale(end_s=max(end_s, 1.0), low=low, high=high, size=size)
    parts = [
        f'<svg viewBox="0 0 {size[0]} {size[1]}" role="img" class="chart" font-size="11" font-family="sans-serif">',
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>",
        *_phases(phases, scale),
        *_axes(scale),
        *(_band(run, scale) for run in runs),
        *(_line(run, scale) for run in runs),
        *_markers(markers, scale),
        "</svg>",
    ]
    return "".join(parts)


class _Scale:
    def __init__(self, *, end_s: float, low: float, high: float, size: tuple[int, int]) -> None:
        self.end_s, self.low, self.high = end_s, low, high
        self.width, self.height = size

    def x(self, t_s: float) -> float:
        return round(LEFT + (self.width - LEFT - RIGHT) * min(max(t_s / self.end_s, 0.0), 1.0), 1)

    def y(self, number: float) -> float:
        share = (min(max(number, self.low), self.high) - self.low) / (self.high - self.low)
        return round(TOP + (self.height - TOP - BOTTOM) * (1.0 - share), 1)


def _stretches(points: Sequence[Point]) -> list[list[Point]]:
    """Return what was told without a silence between, in which there was nothing to withhold either."""
    stretches: list[list[Point]] = []
    for point in points:
        if not stretches or point.t_s - stretches[-1][-1].t_s > SILENCE_S:
            stretches.append([])
        stretches[-1].append(point)
    return stretches


def _thinned(points: Sequence[Point], *, end_s: float) -> list[Point]:
    """Return a point for each equal part of the time: the middle value with the widest bound of those told in it."""
    parts: dict[int, list[Point]] = {}
    for point in points:
        parts.setdefault(int(point.t_s / end_s * MAX_POINTS), []).append(point)
    found = []
    for several in parts.values():
        told = [one for one in several if one.value is not None]
        found.append(
            Point(
                t_s=several[len(several) // 2].t_s,
                value=median(one.value for one in told if one.value is not None) if told else None,
                bound=max(one.bound or 0.0 for one in told) if told else None,
            )
        )
    return found


def _runs(points: Iterable[Point]) -> list[list[Point]]:
    """Return stretches without a withheld point between."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.value is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _limits(points: Iterable[Point]) -> tuple[float, float]:
    ends = [one.value + sign * (one.bound or 0.0) for one in points if one.value is not None for sign in (-1, 1)]
    if not ends:
        return 0.0, 1.0
    low, high = min(ends), max(ends)
    step = _step(max(high - low, 1e-6))
    return math.floor(low / step) * step, max(math.ceil(high / step), math.floor(low / step) + 1) * step


def _step(span: float) -> float:
    """Return a round step that divides a span into two to five."""
    magnitude = 10.0 ** math.floor(math.log10(span / 2))
    return next(magnitude * k for k in (1, 2, 5, 10) if span / (magnitude * k) <= 5)


def _axes(scale: _Scale) -> Iterable[str]:
    step = _step(scale.high - scale.low)
    for n in range(math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9) + 1):
        y = scale.y(n * step)
        yield f'<path d="M{LEFT} {y}H{scale.width - RIGHT}" stroke="currentColor" stroke-opacity=".18" fill="none"/>'
        yield _text(LEFT - 6, y + 4, f"{n * step:g}", anchor="end")
    minutes = scale.end_s / 60
    every = next((one for one in _MINUTE_STEPS if minutes / one * _TICK_WIDTH <= scale.width), _MINUTE_STEPS[-1])
    for n in range(int(minutes / every + 1e-9) + 1):
        yield _text(scale.x(n * every * 60), scale.height - 8, f"{n * every:g}" + (" min" if n == 0 else ""))


def _phases(phases: Sequence[Mark], scale: _Scale) -> Iterable[str]:
    ends_s = [*(phase.t_s for phase in phases[1:]), scale.end_s]
    for n, (phase, until_s) in enumerate(zip(phases, ends_s, strict=False)):
        x, width = scale.x(phase.t_s), scale.x(until_s) - scale.x(phase.t_s)
        if n % 2:
            box = f'x="{x}" y="{TOP}" width="{width:.1f}" height="{scale.height - TOP - BOTTOM}"'
            yield f'<rect {box} fill="currentColor" fill-opacity=".06"/>'
        if width > 50:
            yield _text(x + 4, TOP + 11, phase.label, anchor="start", opacity=0.75)


def _band(run: Sequence[Point], scale: _Scale) -> str:
    upper = [(scale.x(one.t_s), scale.y((one.value or 0.0) + (one.bound or 0.0))) for one in run]
    lower = [(scale.x(one.t_s), scale.y((one.value or 0.0) - (one.bound or 0.0))) for one in run]
    return f'<path d="{_way([*upper, *reversed(lower)])}Z" fill="currentColor" fill-opacity=".16" stroke="none"/>'


def _line(run: Sequence[Point], scale: _Scale) -> str:
    way = _way([(scale.x(one.t_s), scale.y(one.value or 0.0)) for one in run])
    if len(run) == 1:
        way += "h1"
    return f'<path d="{way}" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/>'


def _way(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in places)


def _markers(markers: Sequence[Mark], scale: _Scale) -> Iterable[str]:
    for n, marker in enumerate(markers, start=1):
        x = scale.x(marker.t_s)
        line = f'<path d="M{x} {TOP - 8}V{scale.height - BOTTOM}" stroke="currentColor" stroke-dasharray="2 3"/>'
        yield line + _text(x, TOP - 12, str(n))


def _text(x: float, y: float, words: str, *, anchor: str = "middle", opacity: float = 0.85) -> str:
    place = f'x="{x}" y="{y}" text-anchor="{anchor}" fill="currentColor" fill-opacity="{opacity}"'
    return f"<text {place}>{escape(words)}</text>"
