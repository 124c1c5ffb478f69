from hypothesis import given
from hypothesis import strategies as st

from becalm_client.session_clock import SessionClock

MS = 1_000_000


def trip(clock: SessionClock, *, at_ms: float, there_ms: float, back_ms: float, offset_ms: float) -> None:
    sent_ns = round(at_ms * MS)
    clock.add_round_trip(
        sent_ns=sent_ns,
        received_ns=sent_ns + round((there_ms + back_ms) * MS),
        clock_ns=sent_ns + round((there_ms + offset_ms) * MS),
    )


def test_unknown_until_the_first_answer() -> None:
    assert SessionClock().session_ns(5) is None


@given(st.lists(st.tuples(st.floats(0, 40), st.floats(0, 40)), min_size=1, max_size=30), st.floats(-1e6, 1e6))
def test_the_error_is_at_most_half_the_quickest_trip(trips: list[tuple[float, float]], offset_ms: float) -> None:
    clock = SessionClock()
    for idx, (there_ms, back_ms) in enumerate(trips):
        trip(clock, at_ms=2000.0 * idx, there_ms=there_ms, back_ms=back_ms, offset_ms=offset_ms)
    session_ns, round_trip_ns = clock.session_ns(0), clock.round_trip_ns
    assert session_ns is not None
    assert round_trip_ns is not None
    assert abs(session_ns - offset_ms * MS) <= round_trip_ns / 2 + 10


def test_a_clock_that_steps_is_followed() -> None:
    clock = SessionClock()
    trip(clock, at_ms=0, there_ms=1, back_ms=1, offset_ms=0)
    trip(clock, at_ms=2000, there_ms=5, back_ms=5, offset_ms=700)
    assert clock.session_ns(0) == 700 * MS


def test_a_frame_cannot_come_before_it_was_published() -> None:
    clock = SessionClock()
    trip(clock, at_ms=0, there_ms=1, back_ms=1, offset_ms=0)
    clock.add_published(1_400 * MS, received_ns=1_000 * MS)
    assert clock.session_ns(1_000 * MS) == 1_400 * MS
    assert clock.session_ns(9_000 * MS) == 9_000 * MS  # a floor that is not renewed is forgotten


def test_nonsense_and_reset() -> None:
    clock = SessionClock()
    clock.add_round_trip(sent_ns=10, received_ns=5, clock_ns=0)
    assert clock.n_trips == 0
    trip(clock, at_ms=0, there_ms=1, back_ms=1, offset_ms=0)
    clock.reset()
    assert clock.session_ns(0) is None
