"""Episodes, beats, indices and a body, made by hand."""

import pytest

from becalm_cli.truth import Truth
from becalm_protocol.derived import (
    Index,
    Metrics,
    Reason,
)
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind


def episode(kind: EpisodeKind, start_s: float, end_s: float) -> Episode:
    return Episode(kind=kind, start_ns=ns_from_s(start_s), end_ns=ns_from_s(end_s))


def metrics(t_s: int, **known: Index) -> Metrics:
    withheld = Index(reason=Reason.WARMING_UP)
    indices = dict.fromkeys(Metrics.index_names(), withheld) | known
    return Metrics(t_ns=t_s * NS_PER_S, emitted_ns=t_s * NS_PER_S, arousal_from=None, **indices)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Two minutes of one undisturbed person."""
    body = Body.from_seed(4)
    body.until(120 * NS_PER_S)
    return Truth(body)
