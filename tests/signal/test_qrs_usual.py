"""What beats are usually like follows a heart that is larger by far, and no single blow."""

from becalm_signal.qrs_humps import Candidate
from becalm_signal.qrs_usual import Usual


def usual(*energies: float) -> Usual:
    """Return what these beats are like, one each 100 samples."""
    known = Usual()
    for n, energy in enumerate(energies):
        known.add(Candidate(100 * n, energy, energy / 5.0), rr=100 if n else None)
    return known


def test_two_alike_that_are_larger_by_far_are_the_heart() -> None:
    known = usual(240.0, 140.0, 270.0, 230.0, 4_800.0, 230.0, 5_000.0)
    assert (known.energy, known.slope, known.n_rr) == (4_900.0, 980.0, 0)


def test_one_blow_or_two_that_are_not_alike_change_nothing() -> None:
    for known in (usual(*[100.0] * 5, 5_000.0), usual(*[100.0] * 5, 5_000.0, 100.0, 2_000.0)):
        assert known.energy == 100.0
        assert known.n_rr >= 5


def test_pairs_of_beats_five_times_as_large_change_nothing() -> None:
    assert usual(*[100.0] * 6, 500.0, 520.0).energy == 100.0
