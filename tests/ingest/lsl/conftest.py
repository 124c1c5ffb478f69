"""Streams of a laboratory on this machine alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest


class Outlet:
    """A stream of a laboratory; `push` sends samples with stamps of its own."""

    def __init__(
        self, lsl: Any, name: str, kind: str, *, rate_hz: float, channels: list[tuple[str, str]], form: str = "float32"
    ) -> None:
        self.lsl = lsl
        info = lsl.StreamInfo(name, kind, len(channels), rate_hz, form, f"{name} of the tests")
        described = info.desc().append_child("channels")
        for label, unit in channels:
            channel = described.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
        self.rate_hz = rate_hz
        self.outlet: Any = lsl.StreamOutlet(info)

    def push(self, rows: list[list[float]], *, began_s: float, first: int = 0) -> None:
        for k, row in enumerate(rows):
            self.outlet.push_sample(row, began_s + (first + k) / self.rate_hz if self.rate_hz else began_s + k)

    def close(self) -> None:
        self.outlet = None


@pytest.fixture
def make_outlet(lsl: Any) -> Callable[..., Outlet]:
    """Return what makes outlets: `make_outlet(name, kind, rate_hz=..., channels=[(label, unit)])`."""
    return partial(Outlet, lsl)
