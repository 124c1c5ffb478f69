from hypothesis import given
from hypothesis import strategies as st

from becalm_kivy.trace_ring import TraceRing

points = st.lists(st.tuples(st.integers(0, 10_000), st.floats(-10, 10)), min_size=1, max_size=200)


def ring_of(*items: tuple[int, float | None], widest_step_ns: int = 100) -> TraceRing:
    ring = TraceRing(span_ns=100_000, widest_step_ns=widest_step_ns)
    for t_ns, level in items:
        ring.put(t_ns, level)
    return ring


@given(points, st.randoms())
def test_order_of_arrival_does_not_matter(items: list[tuple[int, float]], shuffler: object) -> None:
    unique = dict(items)
    shuffled = list(unique.items())
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    in_order = ring_of(*sorted(unique.items()))
    assert ring_of(*shuffled).segments(0, 10_000) == in_order.segments(0, 10_000)


def test_ends_are_cut_on_the_edges_of_the_window() -> None:
    ring = ring_of((0, 0.0), (10, 10.0), (20, 20.0), (30, 30.0))
    assert ring.segments(5, 25) == [[(5, 5.0), (10, 10.0), (20, 20.0), (25, 25.0)]]


def test_nothing_is_drawn_across_a_hole_or_a_break() -> None:
    holed = ring_of((0, 1.0), (10, 1.0), (500, 1.0), (510, 1.0))
    broken = ring_of((0, 1.0), (10, 1.0), (15, None), (20, 1.0), (30, 1.0))
    assert [len(piece) for piece in holed.segments(0, 1000)] == [2, 2]
    assert broken.segments(0, 1000) == [[(0, 1.0), (10, 1.0)], [(20, 1.0), (30, 1.0)]]


def test_a_point_alone_is_no_curve() -> None:
    assert ring_of((5, 1.0)).segments(0, 10) == []
    assert ring_of().segments(0, 10) == []


def test_a_point_can_be_replaced_and_removed() -> None:
    ring = ring_of((0, 1.0), (10, 2.0), (20, 3.0))
    ring.put(10, 5.0)
    ring.remove(20)
    ring.remove(99)
    assert ring.segments(0, 30) == [[(0, 1.0), (10, 5.0)]]
    assert ring.newest_ns == 10


@given(st.integers(1, 5_000))
def test_memory_is_bounded(n_points: int) -> None:
    ring = TraceRing(span_ns=1_000, widest_step_ns=10, n_max=300)
    for idx in range(n_points):
        ring.put(idx * 5, 0.0)
    assert len(ring) <= 300
    assert ring.newest_ns == (n_points - 1) * 5
    ring.clear()
    assert ring.newest_ns is None
