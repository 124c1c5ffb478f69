"""Ghosts: beats, breaths and responses told of while the sensor had no body, and how soon it was noticed."""

from collections.abc import Mapping, Sequence

from becalm_cli.happenings import Happenings
from becalm_cli.tally import Tally, ratio
from becalm_protocol.derived import Beat, BreathTurn, Derived, SignalQuality, SkinResponse
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.intervals import is_sound
from becalm_simulator.episode import Episode, EpisodeKind

GHOSTS: dict[str, tuple[SignalKind, EpisodeKind]] = {
    "beats": (SignalKind.ECG, EpisodeKind.OFF_BODY),
    "breath_turns": (SignalKind.RESPIRATION, EpisodeKind.BELT_STUCK),
    "skin_responses": (SignalKind.SKIN_CONDUCTANCE, EpisodeKind.SKIN_OFF),
}
"""Where each kind of ghost may appear: samples come, and none of them is of the body."""
DELAY_STEP_S = 0.1


def score_ghosts(
    tally: Tally,
    derived: Sequence[Derived],
    *,
    beats: Sequence[Beat],
    during: Mapping[SignalKind, Happenings],
    seconds: int,
) -> None:
    """Count ghosts, and how often and how soon the signal was called unusable; `beats` as they were settled."""
    until_ns = seconds * NS_PER_S
    for name, (kind, episode_kind) in GHOSTS.items():
        happenings = during[kind]
        tally.count("ghosts", name, "ms", n=happenings.lasted_ns(episode_kind, until_ns=until_ns) // NS_PER_MS)
        for t_ns, is_accepted in _found(name, derived, beats):
            if happenings.is_under_way(episode_kind, t_ns):
                tally.count("ghosts", name, "found")
                tally.count("ghosts", name, "accepted", n=is_accepted)
        told = [e for e in derived if isinstance(e, SignalQuality) and e.kind is kind]
        for episode in happenings.of(episode_kind):
            if episode.end_ns <= until_ns:
                _score_notice(tally, name, told, episode)


def _score_notice(tally: Tally, name: str, told: Sequence[SignalQuality], episode: Episode) -> None:
    tally.count("ghosts", name, "episodes")
    before = [e for e in told if e.t_ns <= episode.start_ns]
    if before and before[-1].reason is not None:
        tally.count("ghosts", name, "unusable_before")
        return
    noticed = [e.t_ns for e in told if e.reason is not None and episode.start_ns < e.t_ns <= episode.end_ns]
    if noticed:
        tally.count("ghosts", name, "noticed")
        tally.measure("ghosts", name, "delay", x=(noticed[0] - episode.start_ns) / NS_PER_S, step=DELAY_STEP_S)


def _found(name: str, derived: Sequence[Derived], beats: Sequence[Beat]) -> list[tuple[int, bool]]:
    """Return time of each event of a kind, and whether it goes into indices."""
    if name == "beats":
        return [(beat.t_ns, is_sound(beat)) for beat in beats]
    if name == "breath_turns":
        return [(e.t_ns, True) for e in derived if isinstance(e, BreathTurn) and e.source in {None, GHOSTS[name][0]}]
    return [(e.onset_ns, True) for e in derived if isinstance(e, SkinResponse)]


def report_ghosts(tally: Tally) -> dict[str, dict[str, object]]:
    """Return ghosts by kind, and how often and how soon their cause was noticed."""
    return {name: _figures(tally, name) for name in GHOSTS}


def _figures(tally: Tally, name: str) -> dict[str, object]:
    lasted_s, n = tally.n("ghosts", name, "ms") / 1000.0, tally.n("ghosts", name, "found")
    n_new = tally.n("ghosts", name, "episodes") - tally.n("ghosts", name, "unusable_before")
    noticed = ("ghosts", name, "delay")
    return {
        "while": GHOSTS[name][1].value,
        "n_seconds": round(lasted_s, 1),
        "n_ghosts": n,
        "n_accepted": tally.n("ghosts", name, "accepted"),
        "ghosts_per_min": round(60.0 * n / lasted_s, 2) if lasted_s else None,
        "n_episodes": tally.n("ghosts", name, "episodes"),
        "n_unusable_before": tally.n("ghosts", name, "unusable_before"),
        "noticed_share": ratio(tally.n("ghosts", name, "noticed"), n_new),
        "notice_delay_s": {
            "median": tally.quantile(*noticed, share=0.5, step=DELAY_STEP_S),
            "p95": tally.quantile(*noticed, share=0.95, step=DELAY_STEP_S),
        },
    }
