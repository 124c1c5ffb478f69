"""Windows of beats that have heard intervals."""

from collections.abc import Callable

import pytest

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import SignalKind
from becalm_signal.hrv import BeatWindow
from becalm_signal.rr import RrFlagger


def _window_of(rr_ms: list[float], *, source: SignalKind = SignalKind.ECG) -> tuple[BeatWindow, int]:
    flagger = RrFlagger(source)
    t_ns = 0
    beats: list[Beat] = flagger.push(t_ns, rr_ms=None, emitted_ns=t_ns)
    for rr in rr_ms:
        t_ns += round(rr * 1e6)
        beats += flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns)
    beats += flagger.flush(emitted_ns=t_ns)
    window = BeatWindow(source)
    for beat in beats:
        window.apply(beat)
    return window, t_ns


@pytest.fixture
def window_of() -> Callable[..., tuple[BeatWindow, int]]:
    """Give a window that has heard these intervals, flagged as they came, and the time of the last."""
    return _window_of


def _told_of(
    rr: list[float], flags: list[BeatFlag], errors_ms: list[float | None], *, source: SignalKind = SignalKind.ECG
) -> tuple[BeatWindow, int]:
    window, t_ns = BeatWindow(source), 0
    for k, (rr_ms, flag, error_ms) in enumerate(zip(rr, flags, errors_ms, strict=True)):
        t_ns += round(rr_ms * 1e6)
        window.apply(
            Beat(
                beat_idx=k,
                t_ns=t_ns,
                emitted_ns=t_ns,
                source=source,
                rr_ms=rr_ms,
                flag=flag,
                confirmed=True,
                rr_error_ms=error_ms,
            )
        )
    return window, t_ns


@pytest.fixture
def told_of() -> Callable[..., tuple[BeatWindow, int]]:
    """Give a window that has heard these intervals with these flags and errors, and the time of the last."""
    return _told_of
