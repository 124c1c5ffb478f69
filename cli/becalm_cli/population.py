"""`becalm bench population`: seeded virtual people through the live pipeline, held against their truth."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from becalm_cli.process import worker_pool
from becalm_cli.score import DISTURBANCES_PER_HOUR, LIFE_PER_HOUR, report_staged, score_person
from becalm_cli.score_arousal import report_arousal
from becalm_cli.score_bounds import report_bounds
from becalm_cli.score_events import report_events
from becalm_cli.score_ghosts import report_ghosts
from becalm_cli.score_indices import INDICES, report_index
from becalm_cli.score_quality import report_quality, report_verdicts
from becalm_cli.score_subsidence import report_subsidence
from becalm_cli.tally import Tally
from becalm_cli.truth_slow import SLOW_INDICES
from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import ConfigError
from becalm_simulator.population import MAX_SEED

# Enough that nobody waits for the slowest person, few enough that memory does not grow with the population.
AHEAD_PER_JOB = 4
SERIES = ("beats", "breath_turns", "skin_responses")
LEGEND = {
    "kinds": "what was under way: 'all' seconds; 'after' none now, one within the last minute; 'none' neither; a moment"
    " with two kinds counts for both",
    "bounds": "does what was told keep within its bound: by kind, share of all judged values of all indices that it"
    " disturbs (`coverage`), and each index below what is asked, worst first; told_share: of all moments of these"
    " indices; few n_values say little, and those of long windows are not independent",
    "staged": "how much of each kind there was; few seconds or people make its figures uncertain",
    "signals": "events against true ones; n: events; sensitivity, precision, f1: shares; timing_error_ms: found - true",
    "indices": "error: shown - true, in the unit at the end of the name (bpm, ms, us = microsiemens, per_min);"
    " bound_coverage: share of judged seconds within the bound, 0.95 is promised; bound_median: its half width;"
    " n_seconds: seconds scored;"
    " withheld_seconds: seconds without a value, by reason; n_without_truth: shown where the definition has no value",
    "slow_indices": "as indices, of windows of 60 s, 300 s and six breaths: one value every five seconds, n_seconds"
    " counts the values; none where the pipeline does not tell them",
    "arousal": "rank correlation with the latent level within each person; bound_width_mean and from_own_line in points"
    " of 0 to 100, error and coverage against the person's own best straight line from latent to shown;"
    " from_own_line_smoothed: from the latent level smoothed over 30 s, as the index is",
    "subsidence": "every half minute from three minutes of practice on: told, or 'cannot tell'; error and coverage of"
    " what was told against the fall of the latent level from the first minute of practice to the last, on that line;"
    " half_life_coverage: against the exponential that fits the latent level of practice best",
    "quality_seconds": "seconds by signal, what was under way, and the reason given ('usable': none)",
    "verdicts": "seconds called unusable or usable while nothing of the body was to be seen, or while nothing disturbed"
    " it for a minute; sensitivity and specificity: shares that were called right",
    "ghosts": "events told of while the sensor had no body; n_accepted of them went into indices; noticed: the signal"
    " was called unusable before it was over, notice_delay_s after it began",
}


def bench_population(*, n_people: int, minutes: float, seed: int, n_jobs: int) -> dict[str, Any]:
    """Return the scores of so many people from `seed` on, and apart from them what the machine took.

    `scores` depends on people, minutes and seed only. Raises ConfigError for a seed that has not so many after it.
    """
    if seed + n_people - 1 > MAX_SEED:
        raise ConfigError(f"expected 0 to {MAX_SEED} with {n_people} people, got {seed}; take less", setting="seed")
    seconds = round(60.0 * minutes)
    started_s = time.perf_counter()
    total = Tally()
    for tally in _tallies(range(seed, seed + n_people), seconds=seconds, n_jobs=n_jobs):
        total.add(tally)
    took_s = time.perf_counter() - started_s
    return {
        "people": n_people,
        "seconds_each": seconds,
        "seed": seed,
        "pipeline_version": PIPELINE_VERSION,
        "disturbances_per_hour": DISTURBANCES_PER_HOUR,
        "life_per_hour": LIFE_PER_HOUR,
        "legend": LEGEND,
        "scores": scores(total),
        "took": {
            "took_s": round(took_s, 2),
            "jobs": n_jobs,
            "session_seconds_per_s": round(n_people * seconds / took_s, 1),
        },
    }


def scores(tally: Tally) -> dict[str, Any]:
    """Return every figure of a tally, ready for JSON."""
    return {
        "bounds": report_bounds(tally),
        "staged": report_staged(tally),
        "signals": {name: report_events(tally, name) for name in SERIES},
        "indices": {name: report_index(tally, name) for name in INDICES},
        "slow_indices": {name: report_index(tally, name) for name in SLOW_INDICES},
        "arousal": report_arousal(tally),
        "subsidence": report_subsidence(tally),
        "quality_seconds": report_quality(tally),
        "verdicts": report_verdicts(tally),
        "ghosts": report_ghosts(tally),
    }


def _tallies(seeds: range, *, seconds: int, n_jobs: int) -> Iterator[Tally]:
    """Yield one tally for each person; with one job in this very process."""
    if n_jobs == 1:
        yield from (score_person(seed, seconds=seconds) for seed in seeds)
        return
    with worker_pool(n_jobs) as pool:
        waiting: deque[Future[Tally]] = deque()
        for seed in seeds:
            waiting.append(pool.submit(score_person, seed, seconds=seconds))
            if len(waiting) >= AHEAD_PER_JOB * n_jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
