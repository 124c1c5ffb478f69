"""Recordings as CSV play as they were made: exact values, true times, gaps told and never filled in."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.played_back import counts, gaps, of_kind, problems, read, write

from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, Dropped, GapReason, RrBlock, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S


def test_decimals_are_exact_and_in_their_unit(tmp_path: Path) -> None:
    path = write(tmp_path, "ecg_mV,rsp_au,EDA_US\n0.00076,5.9961,11.734\n-0.00061,5.9906,11.7462\n")
    recording, events = read(path, rate_hz=100.0)
    for kind, unit, expected in [
        (SignalKind.ECG, "uV", (0.76, -0.61)),
        (SignalKind.RESPIRATION, "au", (5.9961, 5.9906)),
        (SignalKind.SKIN_CONDUCTANCE, "uS", (11.734, 11.7462)),
    ]:
        (info,) = [info for info in recording.streams if info.kind is kind]
        assert (info.unit, info.sample_rate_hz, info.clock) == (unit, 100.0, Clock.SESSION)
        values = [count * info.unit_per_count for count in counts(of_kind(recording, events, kind))]
        assert values == pytest.approx(expected, abs=1e-9)


def test_blocks_end_with_the_time_of_their_last_sample(tmp_path: Path) -> None:
    path = write(tmp_path, "ecg_uv\n" + "".join(f"{n}\n" for n in range(25)))
    _, events = read(path, rate_hz=100.0, chunk_ms=100)
    blocks = [event for event in events if isinstance(event, SampleBlock)]
    assert [(b.first_sample_idx, len(b.counts)) for b in blocks] == [(0, 10), (10, 10), (20, 5)]
    assert [b.received_ns for b in blocks] == [90 * NS_PER_MS, 190 * NS_PER_MS, 240 * NS_PER_MS]
    assert [b.sensor_ns for b in blocks] == [b.received_ns for b in blocks]


@given(chunk_ms=st.integers(1, 3_000))
def test_any_cut_gives_the_same_samples_in_time_order(tmp_path_factory: pytest.TempPathFactory, chunk_ms: int) -> None:
    rows = [f"{n},{'nan' if 70 < n < 90 else n * 2},{600 + n if n % 40 == 7 else ''}" for n in range(200)]
    path = write(tmp_path_factory.mktemp("cut"), "ecg_uv,eda_us,rr_ms\n" + "\n".join(rows) + "\n")
    recording, events = read(path, rate_hz=130.0, chunk_ms=chunk_ms)
    whole, whole_events = read(path, rate_hz=130.0, chunk_ms=100_000)
    for kind in (SignalKind.ECG, SignalKind.SKIN_CONDUCTANCE):
        mine, theirs = of_kind(recording, events, kind), of_kind(whole, whole_events, kind)
        assert counts(mine) == counts(theirs)
        assert [(g.start_ns, g.end_ns, g.n_missing) for g in gaps(mine)] == [
            (g.start_ns, g.end_ns, g.n_missing) for g in gaps(theirs)
        ]
    rr = [event.rr_1024 for event in events if isinstance(event, RrBlock)]
    assert rr == [event.rr_1024 for event in whole_events if isinstance(event, RrBlock)] != []
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)


def test_a_run_that_is_not_a_number_is_a_gap_and_never_filled_in(tmp_path: Path) -> None:
    cells = ["1", "2", "nan", "", "NaN", "6", "7"]
    path = write(tmp_path, "ecg_uv,eda_us\n" + "".join(f"{cell},1\n" for cell in cells))
    recording, events = read(path, rate_hz=10.0)
    ecg = of_kind(recording, events, SignalKind.ECG)
    assert counts(ecg) == [100, 200, 600, 700]
    (gap,) = gaps(ecg)
    assert (gap.start_ns, gap.end_ns, gap.n_missing) == (100 * NS_PER_MS, 500 * NS_PER_MS, 3)
    assert gap.reason is GapReason.NOT_A_NUMBER
    after = [e for e in ecg if isinstance(e, SampleBlock) and e.first_sample_idx >= 5]
    assert after[0].first_sample_idx == 5
    assert counts(of_kind(recording, events, SignalKind.SKIN_CONDUCTANCE)) == [10_000] * 7


def test_missing_at_both_ends_is_told_too(tmp_path: Path) -> None:
    path = write(tmp_path, "ecg_uv\nnan\n5\nnan\nnan\n")
    _, events = read(path, rate_hz=10.0)
    assert [(g.start_ns, g.n_missing) for g in gaps(events)] == [(0, 1), (100 * NS_PER_MS, 2)]


def test_a_jump_in_time_is_a_gap(tmp_path: Path) -> None:
    times_s = [n / 100 for n in range(200)] + [10 + n / 100 for n in range(200)]
    path = write(tmp_path, "time_s,ecg_uv\n" + "".join(f"{t:.3f},1\n" for t in times_s))
    recording, events = read(path)
    assert recording.sample_rate_hz == pytest.approx(100.0)
    (gap,) = gaps(events)
    assert gap.reason is GapReason.FILE_BREAK
    assert gap.n_missing == 800
    assert gap.end_ns == pytest.approx(10 * NS_PER_S, abs=NS_PER_MS)


def timed(times_s: list[float]) -> str:
    return "time_s,eda_us\n" + "".join(f"{t_s:.1f},{1 + idx / 10:.1f}\n" for idx, t_s in enumerate(times_s))


def test_a_long_break_is_a_gap_and_costs_no_row(tmp_path: Path) -> None:
    times_s = [idx / 10 for idx in range(50)] + [600 + idx / 10 for idx in range(50)]
    _, events = read(write(tmp_path, timed(times_s)))
    assert len(counts(events)) == 100
    (gap,) = gaps(events)
    assert (gap.reason, gap.n_missing) == (GapReason.FILE_BREAK, 5950)
    assert not [event for event in events if isinstance(event, Dropped)]


@pytest.mark.parametrize("astray_s", [1e3, 8.9e6, 1e12])
def test_one_time_far_ahead_costs_one_row(tmp_path: Path, astray_s: float) -> None:
    times_s = [idx / 10 for idx in range(100)]
    times_s[50] = astray_s
    _, events = read(write(tmp_path, timed(times_s)))
    assert len(counts(events)) == 99
    assert sum(gap.n_missing or 0 for gap in gaps(events)) == 1
    assert len([event for event in events if isinstance(event, Dropped)]) == 1


def test_rounded_times_give_the_true_rate(tmp_path: Path) -> None:
    path = write(tmp_path, "time_s,ecg_uv\n" + "".join(f"{n / 130.16:.3f},1\n" for n in range(20_000)))
    recording, events = read(path)
    assert recording.sample_rate_hz == pytest.approx(130.16, rel=1e-5)
    assert gaps(events) == []
    assert len(counts(events)) == 20_000


@pytest.mark.parametrize("rate_hz", [10.0, 64.0, 130.16, 1_000.0])
def test_one_row_that_lacks_is_a_gap_of_one(tmp_path: Path, rate_hz: float) -> None:
    lost = {300, 301 + 40, 600, 601, 997}
    times_s = [n / rate_hz for n in range(2_000) if n not in lost]
    path = write(tmp_path, "time_s,ecg_uv\n" + "".join(f"{t_s:.4f},{k}\n" for k, t_s in enumerate(times_s)))
    for chunk_ms in (50, 100_000):
        _, events = read(path, chunk_ms=chunk_ms)
        assert [gap.n_missing for gap in gaps(events)] == [1, 1, 2, 1]
        (block, *_) = [e for e in events if isinstance(e, SampleBlock) and e.first_sample_idx > 997]
        at = block.first_sample_idx + len(block.counts) - 1
        assert block.received_ns == pytest.approx(at * NS_PER_S / rate_hz, abs=0.1 * NS_PER_S / rate_hz)


def test_an_uneven_recorder_has_no_gaps(tmp_path: Path) -> None:
    draw = random.Random(4)
    times_s = [n / 50 + draw.uniform(0, 0.015) for n in range(3_000)]
    path = write(tmp_path, "time_s,ecg_uv\n" + "".join(f"{t_s:.4f},1\n" for t_s in times_s))
    _, events = read(path)
    assert gaps(events) == []
    assert len(counts(events)) == 3_000


def test_columns_of_other_names_are_named_by_the_person(tmp_path: Path) -> None:
    path = write(tmp_path, "time_s,Lead (mV),Belt,GSR [uS],ecg_uv\n0,1.5,7,2.5,9\n0.01,1.6,8,2.6,9\n")
    signals = ("Lead (mV)=ecg:mV", "#3=resp", "gsr [us]=eda:uS")
    recording = read_recording(path, rate_hz=None, chunk_ms=100, signals=signals)
    assert {info.kind: info.unit for info in recording.streams} == {
        SignalKind.ECG: "uV", SignalKind.RESPIRATION: "au", SignalKind.SKIN_CONDUCTANCE: "uS",
    }  # fmt: skip
    assert sorted(counts(list(recording.events()))) == [25_000, 26_000, 70_000, 80_000, 150_000, 160_000]
    for odd, why in (("Lead=ecg:mV", "name of one column"), ("Belt=ecg", "mV or uV"), ("Belt=eda:nS", "to be uS")):
        with pytest.raises(RecordingError, match=why):
            read_recording(path, rate_hz=None, chunk_ms=100, signals=(odd,))


def test_beats_alone_keep_their_own_times_however_the_heart_goes(tmp_path: Path) -> None:
    rr_ms = [1_000 + n % 7 for n in range(150)] + [600 + n % 5 for n in range(150)] + [2_400, 600]
    times_ms = [rr_ms[0]]
    for interval_ms in rr_ms[1:]:
        times_ms.append(times_ms[-1] + interval_ms)
    rows = [f"{t_ms / 1000:.3f},{interval_ms}\n" for t_ms, interval_ms in zip(times_ms, rr_ms, strict=True)]
    rows.insert(200, "1.000,700\n")
    path = write(tmp_path, "time_s,rr_ms\n" + "".join(rows))
    for chunk_ms in (100, 1_000, 3_600_000):
        _, events = read(path, chunk_ms=chunk_ms)
        blocks = [event for event in events if isinstance(event, RrBlock)]
        assert [block.rr_1024[0] for block in blocks] == [round(interval_ms * 1.024) for interval_ms in rr_ms]
        assert [block.received_ns for block in blocks] == [(t_ms - times_ms[0]) * NS_PER_MS for t_ms in times_ms]
        assert problems(events) == ["1 rows go back in time, the first in line 202"]


def test_rr_where_it_was_notified(tmp_path: Path) -> None:
    path = write(tmp_path, "ecg_mv,hr_bpm,rr_ms\n0,,\n0,90.0,421.0\n0,,\n0,91,99999\n0,,nan\n")
    recording, events = read(path, rate_hz=10.0)
    rr = of_kind(recording, events, SignalKind.RR)
    assert rr[0] == RrBlock(stream_id=rr[0].stream_id, received_ns=100 * NS_PER_MS, rr_1024=(431,), heart_rate_bpm=90)
    assert [type(event) for event in rr] == [RrBlock, Dropped]


def test_the_real_strap_recording(data_dir: Path) -> None:
    recording, events = read(data_dir / "polar_h10" / "ecg_rr_pvc.csv.gz")
    assert recording.sample_rate_hz == pytest.approx(130.16, abs=0.01)
    assert len(counts(of_kind(recording, events, SignalKind.ECG))) == 78_096
    assert gaps(events) == []
    rr = [event for event in of_kind(recording, events, SignalKind.RR) if isinstance(event, RrBlock)]
    assert len(rr) == 798
    assert rr[0].rr_1024 == (431,)
