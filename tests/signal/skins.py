"""A calm skin with responses, and the stream that it comes in."""

from typing import Any

import numpy as np

from becalm_protocol.events import Clock, SignalKind, StreamInfo


def skin(t_s: Any, onsets_s: tuple[float, ...], *, amplitude_us: float, noise_us: float = 0.003) -> Any:
    samples = 5.0 - 0.003 * t_s + np.random.default_rng(1).normal(0.0, noise_us, len(t_s))
    for onset_s in onsets_s:
        since = np.clip(t_s - onset_s, 0.0, None)
        shape = np.exp(-since / 4.0) - np.exp(-since / 0.8)
        samples += amplitude_us * shape / 0.535
    return samples


def info(rate_hz: float) -> StreamInfo:
    return StreamInfo(
        stream_id="skin",
        kind=SignalKind.SKIN_CONDUCTANCE,
        unit="uS",
        unit_per_count=1e-4,
        sample_rate_hz=rate_hz,
        clock=Clock.SESSION,
        device="test",
    )
