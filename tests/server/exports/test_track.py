"""A track's stretches break where the live pipeline begins anew, and nowhere else."""

import io

import pytest

from becalm_protocol.events import Clock, Gap, GapReason, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_S
from becalm_server.exports.track import Track

RATE_HZ = 25.0
N_SAMPLES = 25


def track_of(kind: SignalKind) -> Track:
    info = StreamInfo(
        stream_id="belt",
        kind=kind,
        unit="au",
        unit_per_count=1.0,
        sample_rate_hz=RATE_HZ,
        clock=Clock.SESSION,
        device="strap",
    )
    return Track(info, io.BytesIO())


def block(first_idx: int, *, late_s: float = 0.0) -> SampleBlock:
    last_ns = round(((first_idx + N_SAMPLES - 1) / RATE_HZ + late_s) * NS_PER_S)
    return SampleBlock(
        stream_id="belt",
        received_ns=last_ns,
        sensor_ns=last_ns,
        first_sample_idx=first_idx,
        counts=tuple(range(N_SAMPLES)),
    )


@pytest.mark.parametrize(
    ("kind", "n_missing", "begins"),
    [
        (SignalKind.RESPIRATION, 3, False),
        (SignalKind.RESPIRATION, 20, False),
        (SignalKind.RESPIRATION, 30, True),
        (SignalKind.ACCELERATION_X, 20, False),
        (SignalKind.ECG, 3, False),
        (SignalKind.ECG, 20, True),
    ],
)
def test_a_hole_that_is_bridged_breaks_no_stretch(kind: SignalKind, n_missing: int, *, begins: bool) -> None:
    track = track_of(kind)
    track.feed(block(0), seq=1)
    track.feed(block(N_SAMPLES + n_missing), seq=2)
    assert [one.begins_stretch for one in track.blocks()] == [True, begins]


@pytest.mark.parametrize(("counted", "begins"), [(True, False), (False, True)])
def test_a_gap_told_of_breaks_a_stretch_where_its_samples_were_not_counted(*, counted: bool, begins: bool) -> None:
    """A belt's gap of 0.4 s: bridged where positions say so, a break of its clock where they go on without it."""
    track = track_of(SignalKind.RESPIRATION)
    track.feed(block(0), seq=1)
    last_ns = next(track.blocks()).last_ns
    end_ns = last_ns + 4 * NS_PER_S // 10
    gap = Gap(stream_id="belt", received_ns=end_ns, start_ns=last_ns, end_ns=end_ns, reason=GapReason.LINK_LOST)
    track.feed(gap, seq=2)
    track.feed(block(N_SAMPLES + 9) if counted else block(N_SAMPLES, late_s=0.36), seq=3)
    assert [one.begins_stretch for one in track.blocks()] == [True, begins]


def test_repeated_samples_are_left_out_of_a_stretch_that_goes_on() -> None:
    track = track_of(SignalKind.ECG)
    for seq, first_idx in enumerate((0, 0, 10), start=1):
        track.feed(block(first_idx), seq=seq)
    told = [(one.seq, one.first_sample_idx, one.n_samples, one.begins_stretch) for one in track.blocks()]
    assert told == [(1, 0, 25, True), (3, 25, 10, False)]
