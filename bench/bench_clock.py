"""How well are sensor clocks mapped to session time, and untimed RR intervals to beats? JSON.

python bench/bench_clock.py [--seeds 6 --minutes 30]

Mapping: a strap of 73 samples a packet, 130.16 Hz, a clock 80 ppm off that bends by 4 ppm while it warms, packets late
by the jitter of a link. The error at the end of each packet is session time given minus true time, for all but those
of the first 10 s. The smallest latency of a link cannot be told from the offset of the clocks by anyone behind that
link, so a constant is left out: `to_constant` is about the run's own median error, `to_quickest` about the smallest
latency that the simulation could ever draw, which a mapping cannot know and real links seldom reach. `covered_pct` is
how often the stated 95 % error held the former. Methods: ours; the lowest latency of the last 30 s with limited slew;
arrival itself; least squares of arrival on stamp over the last 60 s. Causal: packet k is placed by packets 1 to k.

Untimed beats: a strap's notifications come 0 to 4 s after their last beat at random, in order. The error is the settled
beat time against the true R peak. Beside an ECG it is found by the pattern of intervals; alone by the sum of intervals
and the quickest notifications, late by the smallest lag there was.
"""

import argparse
import json
import math
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from untimed_beats import HEARTS, score_beats

from becalm_protocol.events import SampleBlock
from becalm_protocol.units import NS_PER_S
from becalm_signal.device_clock import DeviceClock

RATE_HZ = 130.16
N_SAMPLES = 73
DRIFT = 80e-6
WARMING = 4e-6
WARMING_S = 600.0
SMALLEST_S = 0.012
CONNECTION_INTERVAL_S = 0.030
SKIPPED_S = 10.0


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet with its truth, all in ns."""

    true_ns: int
    stamp_ns: int
    received_ns: int


Jitter = Callable[[random.Random], float]
Method = Callable[[Sequence[Packet]], tuple[list[float], list[float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=30.0)
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    started_s = time.monotonic()
    result: dict[str, Any] = {
        "minutes": arguments.minutes,
        "seeds": arguments.seeds,
        "drift_ppm": 1e6 * DRIFT,
        "warming_ppm": 1e6 * WARMING,
        "mapping_error_ms": {
            link: {
                method: score_mapping(method, link, seeds=seeds, seconds=60.0 * arguments.minutes) for method in METHODS
            }
            for link in LINKS
        },
        "untimed_beats": {
            name: {
                beside: score_beats(heart, seeds=seeds, seconds=60.0 * arguments.minutes, with_ecg=beside == "with_ecg")
                for beside in ("with_ecg", "alone")
            }
            for name, heart in HEARTS.items()
        },
    }
    result["took_s"] = round(time.monotonic() - started_s, 1)
    print(json.dumps(result, indent=2))


# ------------------------------------------------------------------------------------------------------ the links
def queued(rng: random.Random) -> float:
    """4G: waiting for a grant, retransmissions of 8 ms, now and then a queue (log-normal, median 25 ms)."""
    late_s = rng.random() * 0.010
    while rng.random() < 0.1:
        late_s += 0.008
    return late_s + (rng.lognormvariate(math.log(0.025), 0.8) if rng.random() < 0.4 else 0.0)


def congested(rng: random.Random) -> float:
    """4G in a full cell: nearly always a queue (log-normal, median 60 ms)."""
    return rng.random() * 0.010 + (rng.lognormvariate(math.log(0.06), 0.8) if rng.random() < 0.8 else 0.0)


@dataclass(frozen=True, slots=True)
class Link:
    """What makes packets late beside the smallest latency."""

    jitter: Jitter
    busy: Jitter | None = None
    """Takes turns with `jitter` every two minutes or so."""
    intervals: bool = True
    """Packets wait for the next connection event of 30 ms."""
    stalls_per_hour: float = 0.0
    """Nothing arrives for 0.5 to 4 s, then everything in a burst."""


LINKS = {
    "connection_interval": Link(jitter=lambda _: 0.0),
    "exponential_40_ms": Link(jitter=lambda rng: rng.expovariate(1.0 / 0.040), intervals=False),
    "4g": Link(jitter=queued, intervals=False, stalls_per_hour=40.0),
    "4g_and_connection_interval": Link(jitter=queued, stalls_per_hour=40.0),
    "4g_congested_by_turns": Link(jitter=queued, busy=congested, stalls_per_hour=40.0),
    "gamma_40_ms": Link(jitter=lambda rng: rng.gammavariate(2.0, 0.020), stalls_per_hour=40.0),
}


def packets(link: Link, *, seed: int, seconds: float) -> list[Packet]:
    """Return what arrives, in order."""
    rng = random.Random(seed)
    phase_s = rng.random() * CONNECTION_INTERVAL_S
    epoch_ns = 599_616_000 * NS_PER_S + rng.randrange(10**9)
    period_s = N_SAMPLES / RATE_HZ
    found: list[Packet] = []
    stalled_until_s = arrived_s = 0.0
    busy = False
    for k in range(1, int(seconds / period_s)):
        true_s = k * period_s
        warmed_s = true_s - WARMING_S * (1.0 - math.exp(-true_s / WARMING_S))
        stamp_s = true_s * (1.0 + DRIFT) + WARMING * warmed_s
        busy ^= rng.random() < period_s / 120.0
        sent_s = true_s
        if link.intervals:
            sent_s = (math.floor((true_s + phase_s) / CONNECTION_INTERVAL_S) + 1) * CONNECTION_INTERVAL_S - phase_s
        if rng.random() < link.stalls_per_hour * period_s / 3600.0:
            stalled_until_s = true_s + rng.uniform(0.5, 4.0)
        jitter = link.busy if busy and link.busy is not None else link.jitter
        due_s = max(sent_s + SMALLEST_S + jitter(rng), stalled_until_s)
        arrived_s = max(due_s, arrived_s + 0.0002)
        found.append(
            Packet(
                true_ns=round(true_s * NS_PER_S),
                stamp_ns=epoch_ns + round(stamp_s * NS_PER_S),
                received_ns=round(arrived_s * NS_PER_S),
            )
        )
    return found


# ---------------------------------------------------------------------------------------------------- the methods
def ours(arrivals: Sequence[Packet]) -> tuple[list[float], list[float]]:
    """Return session times and stated errors of the pipeline's own clock, fed with blocks."""
    clock = DeviceClock(130.0)
    times_ns: list[float] = []
    errors_ns: list[float] = []
    for k, packet in enumerate(arrivals):
        block = SampleBlock(
            stream_id="strap",
            received_ns=packet.received_ns,
            first_sample_idx=k * N_SAMPLES,
            sensor_ns=packet.stamp_ns,
            counts=(0,) * N_SAMPLES,
        )
        clock.accept(block)
        last = (k + 1) * N_SAMPLES - 1
        times_ns.append(float(clock.session_ns(last)))
        errors_ns.append(clock.error_ns(last))
    return times_ns, errors_ns


def lowest_of_30_s(arrivals: Sequence[Packet]) -> tuple[list[float], list[float]]:
    """Return the lowest offset of the last 30 s, moving 2 % in the first 10 s and 200 ppm afterwards."""
    lowest: deque[tuple[int, float]] = deque()
    times_ns: list[float] = []
    offset_ns, seen_ns = 0.0, 0
    zero_ns, began_ns = arrivals[0].stamp_ns, arrivals[0].received_ns
    for packet in arrivals:
        late_ns = float(packet.received_ns - (packet.stamp_ns - zero_ns))
        while lowest and lowest[-1][1] >= late_ns:
            lowest.pop()
        lowest.append((packet.received_ns, late_ns))
        while lowest[0][0] < packet.received_ns - 30 * NS_PER_S:
            lowest.popleft()
        reach = (packet.received_ns - seen_ns) * (0.02 if packet.received_ns - began_ns < 10 * NS_PER_S else 200e-6)
        offset_ns = offset_ns + max(-reach, min(reach, lowest[0][1] - offset_ns)) if seen_ns else late_ns
        seen_ns = packet.received_ns
        times_ns.append(packet.stamp_ns - zero_ns + offset_ns)
    return times_ns, []


def arrival(arrivals: Sequence[Packet]) -> tuple[list[float], list[float]]:
    """Return when packets came."""
    return [float(packet.received_ns) for packet in arrivals], []


def least_squares_60_s(arrivals: Sequence[Packet]) -> tuple[list[float], list[float]]:
    """Return the straight line through arrivals over stamps of the last 60 s, at its newest end."""
    window: deque[tuple[float, float]] = deque()
    times_ns: list[float] = []
    zero_ns = arrivals[0].stamp_ns
    for packet in arrivals:
        x = (packet.stamp_ns - zero_ns) / NS_PER_S
        window.append((x, packet.received_ns / NS_PER_S - x))
        while window[0][0] < x - 60.0:
            window.popleft()
        n = len(window)
        mean_x, mean_y = sum(a for a, _ in window) / n, sum(b for _, b in window) / n
        sxx = sum((a - mean_x) ** 2 for a, _ in window)
        sxy = sum((a - mean_x) * (b - mean_y) for a, b in window)
        times_ns.append((x + mean_y + (sxy / sxx if sxx > 0.0 else 0.0) * (x - mean_x)) * NS_PER_S)
    return times_ns, []


METHODS: dict[str, Method] = {
    "ours": ours,
    "lowest_of_30_s": lowest_of_30_s,
    "arrival": arrival,
    "least_squares_60_s": least_squares_60_s,
}


def score_mapping(method: str, link: str, *, seeds: Sequence[int], seconds: float) -> dict[str, Any]:
    """Return percentiles of the error over all runs of a method on a link."""
    to_constant: list[float] = []
    to_quickest: list[float] = []
    n_covered = n_stated = 0
    took_ns = 0
    for seed in seeds:
        arrivals = packets(LINKS[link], seed=seed, seconds=seconds)
        began_ns = time.process_time_ns()
        times_ns, stated_ns = METHODS[method](arrivals)
        took_ns += time.process_time_ns() - began_ns
        first = next(k for k, packet in enumerate(arrivals) if packet.true_ns >= SKIPPED_S * NS_PER_S)
        errors_ms = [(t - packet.true_ns) / 1e6 for t, packet in zip(times_ns, arrivals, strict=True)][first:]
        middle_ms = median(errors_ms)
        to_constant += [abs(error - middle_ms) for error in errors_ms]
        to_quickest += [abs(error - 1000.0 * SMALLEST_S) for error in errors_ms]
        for error, stated in zip(errors_ms, stated_ns[first:], strict=False):
            n_stated += 1
            n_covered += abs(error - middle_ms) <= stated / 1e6
    return {
        "to_constant": percentiles(to_constant),
        "to_quickest": percentiles(to_quickest),
        "covered_pct": round(100.0 * n_covered / n_stated, 1) if n_stated else None,
        "cpu_us_per_packet": round(took_ns / 1000.0 / max(1, len(to_constant)), 1),
    }


def percentiles(numbers: Sequence[float]) -> dict[str, float]:
    """Return the median, the 95th percentile and the largest."""
    ordered = sorted(numbers)
    return {
        "p50": round(median(ordered), 2),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 2),
        "max": round(ordered[-1], 2),
    }


if __name__ == "__main__":
    main()
