"""One virtual person through the live pipeline, and what it found held against the truth."""

from collections.abc import Iterable, Sequence

from becalm_cli.happenings import Happenings, irregular_stretches
from becalm_cli.score_arousal import score_arousal
from becalm_cli.score_events import EventSeries, score_events
from becalm_cli.score_ghosts import score_ghosts
from becalm_cli.score_indices import INDICES, score_index, score_slow
from becalm_cli.score_quality import score_quality
from becalm_cli.score_subsidence import score_subsidence
from becalm_cli.tally import Tally
from becalm_cli.truth import BEAT_NS, TURN_NS, Truth
from becalm_protocol.derived import Beat, BreathPhase, BreathTurn, Derived, Metrics, SkinResponse, SlowMetrics
from becalm_protocol.events import Pacer, Phase, PhaseChange, RawEvent, SignalKind
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_signal.pipeline import Pipeline
from becalm_simulator.blocks import STREAMS, sample_blocks
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.staging import DISTURBANCES, seeded_disturbances, seeded_life

# As in a session with the usual settings: a minute of rest, then in 4 s and out 6 s.
PACER = Pacer(started_ns=ns_from_s(60.0), inhale_s=4.0, exhale_s=6.0)
PHASES = (
    PhaseChange(t_ns=0, phase=Phase.BASELINE),
    PhaseChange(t_ns=PACER.started_ns, phase=Phase.PRACTICE, pacer=PACER),
)
# Harsher than everyday wear, so that a hundred people show every kind: a disturbed sensor a minute, and something to
# go through every other minute.
DISTURBANCES_PER_HOUR = 60.0
LIFE_PER_HOUR = 30.0
# The onset of a response is a gradual thing: found within this of the true one it is the same response.
RESPONSE_NS = ns_from_s(1.5)
# Filters start and the last events are cut off: events are scored within these edges.
FIRST_NS, LAST_NS = ns_from_s(10.0), ns_from_s(5.0)


def score_person(seed: int, *, seconds: int) -> Tally:
    """Return what the pipeline got right and wrong of one person; the same seed, the same tally."""
    body = staged_body(seed, seconds=seconds)
    derived = live(sample_blocks(body, seconds=seconds))
    return score(derived, body=body, seconds=seconds)


def staged_body(seed: int, *, seconds: int) -> Body:
    """Return a person who follows a pacer, with all that will happen to sensors and body staged."""
    disturbed = seeded_disturbances(seed, seconds=seconds, per_hour=DISTURBANCES_PER_HOUR, rows=DISTURBANCES)
    lived = seeded_life(seed, seconds=seconds, per_hour=LIFE_PER_HOUR)
    body = Body.from_seed(seed, episodes=(*disturbed, *lived))
    body.hear(PACER)
    return body


def live(events: Iterable[RawEvent]) -> list[Derived]:
    """Return everything the live pipeline derives in a session with a pacer, samples to draw left out."""
    pipeline = Pipeline(STREAMS)
    for change in PHASES:
        pipeline.feed(change)
    derived: list[Derived] = []
    for event in events:
        derived += (given for given in pipeline.feed(event) if not isinstance(given, Waveform))
    derived += (given for given in pipeline.finish() if not isinstance(given, Waveform))
    return derived


def score(derived: Sequence[Derived], *, body: Body, seconds: int) -> Tally:
    """Hold what was derived from the first seconds of a body against what was true."""
    tally, truth = Tally(), Truth(body)
    episodes = happened(body)
    count_staged(tally, episodes, seconds=seconds)
    during = {info.kind: Happenings(episodes, info.kind) for info in STREAMS}
    window_ns = range(FIRST_NS, seconds * NS_PER_S - LAST_NS)
    beats = settled_beats(derived)
    for kind, series in _series(derived, beats, truth):
        score_events(tally, series, during=during[kind], window_ns=window_ns)
    ticks = [e for e in derived if isinstance(e, Metrics) and e.t_ns % NS_PER_S == 0]
    for tick in ticks:
        at = {kind: happenings.at(tick.t_ns) for kind, happenings in during.items()}
        for name, (kind, _) in INDICES.items():
            score_index(tally, name, tick, truth=truth, kinds=at[kind])
    slow = [e for e in derived if isinstance(e, SlowMetrics)]
    for moment in slow:
        score_slow(tally, moment, truth=truth, kinds=during[SignalKind.ECG].at(moment.t_ns))
    score_subsidence(tally, slow, ticks, truth=truth, started_ns=PACER.started_ns)
    score_arousal(tally, ticks, truth=truth, during=Happenings(episodes, None))
    score_quality(tally, derived, seconds=seconds, during=during)
    score_ghosts(tally, derived, beats=beats, during=during, seconds=seconds)
    return tally


def happened(body: Body) -> tuple[Episode, ...]:
    """Return all that happened to a body; an irregular rhythm as it was lived, staged or the person's own."""
    staged = (episode for episode in body.episodes() if episode.kind is not EpisodeKind.FIBRILLATION)
    return (*staged, *irregular_stretches(body.beats()))


def count_staged(tally: Tally, episodes: Sequence[Episode], *, seconds: int) -> None:
    """Count what one person went through, by kind."""
    for kind in sorted({episode.kind for episode in episodes}):
        mine = [e for e in episodes if e.kind is kind and e.start_ns < seconds * NS_PER_S]
        tally.count("staged", kind.value, "people", n=bool(mine))
        tally.count("staged", kind.value, "episodes", n=len(mine))
        lasted_ns = Happenings(mine, None).lasted_ns(kind, until_ns=seconds * NS_PER_S)
        tally.count("staged", kind.value, "ms", n=lasted_ns // NS_PER_MS)


def report_staged(tally: Tally) -> dict[str, dict[str, object]]:
    """Return how much of each kind there was: little of it makes its figures uncertain."""
    return {
        kind: {
            "n_people": tally.n("staged", kind, "people"),
            "n_episodes": tally.n("staged", kind, "episodes"),
            "n_seconds": round(tally.n("staged", kind, "ms") / 1000.0, 1),
        }
        for kind in tally.names("staged")
    }


def settled_beats(derived: Iterable[Derived]) -> list[Beat]:
    """Return each beat once, as it was told last, in order of time."""
    settled = {(beat.source, beat.beat_idx): beat for beat in derived if isinstance(beat, Beat)}
    return sorted(settled.values(), key=lambda beat: beat.t_ns)


def _series(
    derived: Sequence[Derived], beats: Sequence[Beat], truth: Truth
) -> Iterable[tuple[SignalKind, EventSeries]]:
    yield (
        SignalKind.ECG,
        EventSeries(
            name="beats",
            true_ns=[beat.t_ns for beat in truth.beats],
            found_ns=[beat.t_ns for beat in beats],
            tolerance_ns=BEAT_NS,
        ),
    )
    for phase in BreathPhase:
        yield (
            SignalKind.RESPIRATION,
            EventSeries(
                name="breath_turns",
                true_ns=[turn.t_ns for turn in truth.turns if turn.phase is phase],
                found_ns=sorted(e.t_ns for e in derived if isinstance(e, BreathTurn) and e.phase is phase),
                tolerance_ns=TURN_NS,
            ),
        )
    yield (
        SignalKind.SKIN_CONDUCTANCE,
        EventSeries(
            name="skin_responses",
            true_ns=[response.onset_ns for response in truth.responses],
            found_ns=sorted(e.onset_ns for e in derived if isinstance(e, SkinResponse)),
            tolerance_ns=RESPONSE_NS,
        ),
    )
