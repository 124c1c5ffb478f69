"""What the pipeline says of its signals, held against what really disturbed them; and beats of nobody."""

from collections.abc import Mapping, Sequence

from becalm_cli.happenings import Happenings
from becalm_cli.tally import Tally
from becalm_protocol.derived import Beat, BeatFlag, Derived, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_simulator.episode import EpisodeKind

USABLE = "usable"


def score_quality(
    tally: Tally, derived: Sequence[Derived], *, seconds: int, during: Mapping[SignalKind, Happenings]
) -> None:
    """Count the reason that holds at each second against each disturbance under way."""
    for kind, happenings in during.items():
        told = sorted((e for e in derived if isinstance(e, SignalQuality) and e.kind is kind), key=lambda e: e.t_ns)
        state, n_told = USABLE, 0
        for t_ns in range(0, seconds * NS_PER_S, NS_PER_S):
            while n_told < len(told) and told[n_told].t_ns <= t_ns:
                reason = told[n_told].reason
                state, n_told = USABLE if reason is None else reason.value, n_told + 1
            for happening in happenings.at(t_ns):
                tally.count("quality", kind.value, happening, state)


def score_ghosts(tally: Tally, beats: Sequence[Beat], happenings: Happenings, *, until_ns: int) -> None:
    """Count beats told of while the electrodes hung free: there was no heart to be seen."""
    tally.count("ghosts", "off_body_ns", n=happenings.lasted_ns(EpisodeKind.OFF_BODY, until_ns=until_ns))
    for beat in beats:
        if happenings.is_under_way(EpisodeKind.OFF_BODY, beat.t_ns):
            tally.count("ghosts", "beats")
            tally.count("ghosts", "accepted", n=beat.flag is BeatFlag.OK)


def report_quality(tally: Tally) -> dict[str, object]:
    """Return seconds by signal, disturbance under way, and reason given."""
    return {
        kind: {
            happening: {state: tally.n("quality", kind, happening, state) for state in states}
            for happening in tally.names("quality", kind)
            if (states := tally.names("quality", kind, happening))
        }
        for kind in tally.names("quality")
    }


def report_ghosts(tally: Tally) -> dict[str, object]:
    """Return how many beats there were of nobody, and how many of them went into indices."""
    off_body_s = tally.n("ghosts", "off_body_ns") / NS_PER_S
    n = tally.n("ghosts", "beats")
    return {
        "off_body_s": round(off_body_s, 1),
        "n_beats": n,
        "n_accepted": tally.n("ghosts", "accepted"),
        "beats_per_off_body_min": round(60.0 * n / off_body_s, 2) if off_body_s else None,
    }
