"""What the pipeline says of its signals, held against what really happened to them."""

from collections.abc import Iterator, Mapping, Sequence

from becalm_cli.happenings import NONE, Happenings
from becalm_cli.tally import Tally, ratio
from becalm_protocol.derived import Derived, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_simulator.episode import DROPOUTS, EpisodeKind

USABLE = "usable"
NOTHING_TO_SEE: dict[SignalKind, frozenset[EpisodeKind]] = {
    SignalKind.ECG: frozenset({EpisodeKind.OFF_BODY, DROPOUTS[SignalKind.ECG]}),
    SignalKind.RESPIRATION: frozenset({EpisodeKind.BELT_STUCK, DROPOUTS[SignalKind.RESPIRATION]}),
    SignalKind.SKIN_CONDUCTANCE: frozenset({EpisodeKind.SKIN_OFF, DROPOUTS[SignalKind.SKIN_CONDUCTANCE]}),
}
"""While one of these lasts the body does not reach the signal at all: it ought to be called unusable."""


def score_quality(
    tally: Tally, derived: Sequence[Derived], *, seconds: int, during: Mapping[SignalKind, Happenings]
) -> None:
    """Count the reason that holds at each second against everything under way."""
    for kind, happenings in during.items():
        for t_ns, state in states(derived, kind, seconds=seconds):
            under_way = happenings.at(t_ns)
            for happening in under_way:
                tally.count("quality", kind.value, happening, state)
            said = "usable" if state == USABLE else "unusable"
            if not NOTHING_TO_SEE[kind].isdisjoint(under_way):
                tally.count("verdict", kind.value, f"nothing_to_see_called_{said}")
            elif under_way == (NONE,):
                tally.count("verdict", kind.value, f"undisturbed_called_{said}")


def states(derived: Sequence[Derived], kind: SignalKind, *, seconds: int) -> Iterator[tuple[int, str]]:
    """Yield, for each whole second, the reason why a signal was held for unusable, or "usable"."""
    told = sorted((e for e in derived if isinstance(e, SignalQuality) and e.kind is kind), key=lambda e: e.t_ns)
    state, n_told = USABLE, 0
    for t_ns in range(0, seconds * NS_PER_S, NS_PER_S):
        while n_told < len(told) and told[n_told].t_ns <= t_ns:
            reason = told[n_told].reason
            state, n_told = USABLE if reason is None else reason.value, n_told + 1
        yield t_ns, state


def report_quality(tally: Tally) -> dict[str, object]:
    """Return seconds by signal, what was under way, and reason given."""
    return {
        kind: {
            happening: {state: tally.n("quality", kind, happening, state) for state in found}
            for happening in tally.names("quality", kind)
            if (found := tally.names("quality", kind, happening))
        }
        for kind in tally.names("quality")
    }


def report_verdicts(tally: Tally) -> dict[str, object]:
    """Return, by signal, how often "unusable" was right: of seconds with nothing to see, and of undisturbed ones."""
    report: dict[str, object] = {}
    for kind in tally.names("quality"):
        n = {
            f"{was}_called_{said}": tally.n("verdict", kind, f"{was}_called_{said}")
            for was in ("nothing_to_see", "undisturbed")
            for said in ("unusable", "usable")
        }
        blind = n["nothing_to_see_called_unusable"] + n["nothing_to_see_called_usable"]
        clear = n["undisturbed_called_unusable"] + n["undisturbed_called_usable"]
        report[kind] = {
            "seconds": n,
            "sensitivity": ratio(n["nothing_to_see_called_unusable"], blind),
            "specificity": ratio(n["undisturbed_called_usable"], clear),
        }
    return report
