"""A calm body as packets of its sensors."""

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from becalm_protocol import limits
from becalm_protocol.events import (
    RawEvent,
    SampleBlock,
    SignalKind,
)

RATE_HZ = 130.0


@pytest.fixture(scope="module")
def body(make_ecg: Any, make_rr: Any, make_track: Any) -> list[Any]:
    """Ninety seconds of heart, breath and skin."""
    heart = make_ecg(make_rr(105), rate_hz=RATE_HZ)
    rng = np.random.default_rng(2)
    breath_s = np.arange(90 * 25) / 25.0
    breath = np.sin(2 * np.pi * 0.2 * breath_s) + rng.normal(0.0, 0.02, len(breath_s))
    skin_s = np.arange(90 * 8) / 8.0
    skin = 5.0 - 0.01 * skin_s + rng.normal(0.0, 0.002, len(skin_s))
    skin += sum(0.4 * np.clip((skin_s - onset) / 2.0, 0, 1) * np.exp(-np.clip(skin_s - onset - 2, 0, None) / 6.0)
                for onset in (20.0, 55.0, 72.0))  # fmt: skip
    return [
        make_track(heart.samples[: round(90 * RATE_HZ)], kind=SignalKind.ECG, rate_hz=RATE_HZ),
        make_track(breath, kind=SignalKind.RESPIRATION, rate_hz=25.0),
        make_track(skin, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0),
    ]


def merged(body: list[Any], cut_blocks: Any, *, n_ecg: int) -> list[RawEvent]:
    events: list[RawEvent] = []
    for track in body:
        size = max(1, round(n_ecg * track.info.sample_rate_hz / RATE_HZ))
        events += cut_blocks(track, [size] * (len(track.counts) // size + 1))
    return sorted(events, key=lambda event: event.received_ns)


# ------------------------------------------------------------------------------------------------ whatever validates
IDS = ("ecg", "respiration", "skin_conductance", "rr")


times = st.one_of(st.integers(0, 10**11), st.integers(-limits.MAX_SESSION_NS, limits.MAX_SESSION_NS))


counts = st.one_of(st.integers(-3, 3), st.integers(limits.MIN_COUNT, limits.MAX_COUNT))


sampled = st.sampled_from(IDS[:3])


blocks = st.builds(
    SampleBlock,
    stream_id=sampled,
    received_ns=times,
    first_sample_idx=st.one_of(st.integers(0, 2000), st.integers(0, limits.MAX_SESSION_NS)),
    sensor_ns=st.none() | times | st.integers(-(2**63), 2**63 - 1),
    counts=st.lists(counts, min_size=1, max_size=60).map(tuple),
)
