"""Bad input of every kind on virtual people: how soon each index is back, and what is told wrong around it."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from becalm_cli.analyse import run_pipeline
from becalm_cli.signal_bench.faults import FAULTS, Fault, Sent
from becalm_cli.truth import Truth
from becalm_protocol.derived import Derived, Metrics
from becalm_protocol.events import Clock, SampleBlock, StreamInfo, value
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.blocks import ECG, FORCE, SKIN
from becalm_simulator.body import Body
from becalm_simulator.sensors.belt import NOISE_N
from becalm_simulator.sensors.skin import NOISE_US
from becalm_simulator.sensors.strap import NOISE_UV

# Nobody chose a setting on these.
FIRST_PERSON = 45_000
N_PEOPLE = 8
BEFORE_S, AFTER_S = 60.0, 30.0
# The longest gap with what is before and after it, and a second that interpolation may ask for.
LIVES_S = 700
BLOCK_S, LATENCY_MS = 0.25, 20
BACK_S = 5.0
# Off by more than its bound, and by this share of the truth: a plausible wrong number.
WRONG_SHARE = 0.1
SIGNALS = {
    "heart_rate_bpm": (ECG, Body.ecg_uv, NOISE_UV),
    "breathing_rate_bpm": (FORCE, Body.force_n, NOISE_N),
    "scl_us": (SKIN, Body.conductance_us, NOISE_US),
}
QUICK = ("nan", "constant", "gap_10_s", "time_backwards", "rate_doubled")
# Skin that conducts the less the more it does is another quantity, and looks like skin.
NO_FAULT = frozenset({("scl_us", "swapped_polarity")})


@value
class _Told:
    """What one index said around one fault."""

    back_s: float
    """From the first good sample to the first value of it; infinite: not within the time that was watched."""
    n_told: int
    n_beyond: int
    """How many values were beyond their bounds."""
    n_wrong: int


def recovery(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score every kind of bad input on each signal by itself; seconds count from the first good sample on.

    A belt cannot be back before the breath has turned twice. NeuroKit2 runs on whole recordings and withholds nothing.
    """
    del data
    told: defaultdict[str, defaultdict[str, list[_Told]]] = defaultdict(lambda: defaultdict(list))
    for person in range(FIRST_PERSON, FIRST_PERSON + (1 if quick else N_PEOPLE)):
        body = Body.from_seed(person)
        body.until(LIVES_S * NS_PER_S)
        truth = Truth(body)
        for number, (kind, fault) in enumerate(FAULTS.items()):
            for name in SIGNALS if not quick or kind in QUICK else ():
                if (name, kind) in NO_FAULT:
                    continue
                rng = np.random.default_rng([person, number])
                told[name][kind].append(_befall(body, truth, name, fault=fault, rng=rng))
    return {
        name: {"all": _figures([one for each in kinds.values() for one in each])}
        | {kind: _figures(each) for kind, each in kinds.items()}
        for name, kinds in told.items()
    }


def _befall(body: Body, truth: Truth, name: str, *, fault: Fault, rng: np.random.Generator) -> _Told:
    info, read, noise_sd = SIGNALS[name]
    rate_hz = info.sample_rate_hz or 1.0
    begin_s = 0.0 if fault.is_from_start else BEFORE_S + rng.uniform(0.0, 5.0)
    lasts_s = fault.lasts_s if fault.lasts_s is not None else rng.uniform(2.0, 12.0)
    end_s = begin_s + lasts_s
    n = round((end_s + AFTER_S) * rate_hz)
    t_ns = np.rint(np.arange(n) * NS_PER_S / rate_hz).astype(np.int64)
    shown = read(body, t_ns) + noise_sd * rng.standard_normal(n)
    counts = np.rint(shown / info.unit_per_count)
    sent = Sent(counts=counts, positions=np.arange(n), t_ns=t_ns, rate_hz=rate_hz)
    sent = fault.spoil(sent, slice(round(begin_s * rate_hz), round(end_s * rate_hz)), rng)
    derived = run_pipeline([_labelled(info, fault)], list(_blocks(info, sent)))
    return _scored(derived, name, truth, begin_s=begin_s, end_s=end_s)


def _labelled(info: StreamInfo, fault: Fault) -> StreamInfo:
    label_hz = fault.label * (info.sample_rate_hz or 1.0)
    return replace(info, sample_rate_hz=label_hz, clock=Clock.DEVICE if fault.is_stamped else Clock.ARRIVAL)


def _blocks(info: StreamInfo, sent: Sent) -> Iterator[SampleBlock]:
    """Yield packets of a quarter of a second; none reaches over a hole."""
    size = max(1, round(BLOCK_S * sent.rate_hz))
    holes = np.flatnonzero(np.diff(sent.positions) != 1) + 1
    for run in np.split(np.arange(len(sent.positions)), holes):
        for part in np.split(run, np.arange(size, len(run), size)):
            last = int(part[-1])
            yield SampleBlock(
                stream_id=info.stream_id,
                received_ns=int(sent.t_ns[last]) + LATENCY_MS * NS_PER_MS,
                first_sample_idx=int(sent.positions[part[0]]),
                sensor_ns=int(sent.t_ns[last]) + sent.stamps_off_ns(last),
                counts=tuple(map(_count, sent.counts[part].tolist())),
            )


def _count(x: float) -> int:
    return int(x) if math.isfinite(x) else cast("int", x)  # what a program may feed all the same


def _scored(derived: list[Derived], name: str, truth: Truth, *, begin_s: float, end_s: float) -> _Told:
    back_s, n_told, n_beyond, n_wrong = float("inf"), 0, 0, 0
    for tick in (e for e in derived if isinstance(e, Metrics) and e.t_ns >= begin_s * NS_PER_S):
        index = getattr(tick, name)
        if index.value is None or index.bound is None or index.sample_ns is None:
            continue
        if index.sample_ns >= end_s * NS_PER_S:
            back_s = min(back_s, tick.t_ns / NS_PER_S - end_s)
        true = truth.index(name, index.sample_ns, tick_ns=tick.t_ns)
        if true is not None:
            off = abs(index.value - true)
            n_told += 1
            n_beyond += off > index.bound
            n_wrong += off > max(index.bound, WRONG_SHARE * true)
    return _Told(back_s=back_s, n_told=n_told, n_beyond=n_beyond, n_wrong=n_wrong)


def _figures(told: list[_Told]) -> dict[str, Any]:
    back_s = sorted(one.back_s for one in told)
    n_told = sum(one.n_told for one in told)
    return {
        "n": len(told),
        "back_s": {
            name: _seconds(back_s[min(len(back_s) - 1, int(share * len(back_s)))])
            for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
        },
        "back_within_5_s_pct": round(100.0 * float(np.mean([s <= BACK_S for s in back_s])), 1),
        "values_told": n_told,
        "beyond_bound_pct": _pct(sum(one.n_beyond for one in told), n_told),
        "wrong_pct": _pct(sum(one.n_wrong for one in told), n_told),
    }


def _seconds(s: float) -> float | None:
    return round(s, 2) if np.isfinite(s) else None


def _pct(n: int, n_all: int) -> float | None:
    return round(100.0 * n / n_all, 2) if n_all else None
