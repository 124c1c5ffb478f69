import random

from becalm_server.clock_offset import ClockOffset

MS = 1_000_000
S = 1_000_000_000


class Line:
    """A server clock and an agent's session clock with a lossy way between them."""

    def __init__(self, *, offset_ns: int = -37 * S, speed: float = 1.0) -> None:
        self.now_ns = 100 * S
        self.offset_ns = offset_ns
        self.speed = speed
        self.clock = ClockOffset(lambda: self.now_ns)

    def session_ns(self) -> int:
        return round((self.now_ns + self.offset_ns) * self.speed)

    def beat(self, *, up_ns: int, down_ns: int) -> None:
        sent_ns = self.now_ns
        self.now_ns += up_ns
        told_ns = self.session_ns()
        self.now_ns += down_ns
        self.clock.answered(sent_ns=sent_ns, clock_ns=told_ns)

    def error_ns(self) -> int:
        estimate_ns = self.clock.session_ns()
        assert estimate_ns is not None
        return abs(estimate_ns - self.session_ns())


def test_nothing_is_known_at_first() -> None:
    assert Line().clock.session_ns() is None


def test_quickest_round_trip_wins() -> None:
    line, dice = Line(), random.Random(1)
    line.beat(up_ns=MS // 5, down_ns=MS // 5)
    for _ in range(6):
        line.beat(up_ns=dice.randrange(MS, 40 * MS), down_ns=dice.randrange(MS, 40 * MS))
    assert line.error_ns() < MS // 5


def test_error_is_within_half_the_round_trip() -> None:
    dice = random.Random(2)
    for _ in range(200):
        line = Line()
        line.beat(up_ns=dice.randrange(30 * MS), down_ns=dice.randrange(30 * MS))
        assert line.clock.error_ns is not None
        assert line.error_ns() <= line.clock.error_ns + 1


def test_jump_of_the_agents_clock_is_followed() -> None:
    line = Line()
    for _ in range(8):
        line.beat(up_ns=MS, down_ns=MS)
    line.offset_ns += 90 * S
    line.beat(up_ns=3 * MS, down_ns=MS)
    assert line.error_ns() <= MS


def test_recording_at_another_speed_is_followed() -> None:
    line = Line(speed=10.0)
    for _ in range(5):
        line.now_ns += 2 * S
        line.beat(up_ns=MS, down_ns=MS)
        assert line.error_ns() <= 20 * MS


def test_arrivals_bound_the_clock_until_a_heartbeat_is_answered() -> None:
    line = Line()
    for delay_ns in (80 * MS, 5 * MS, 60 * MS):
        received_ns = line.session_ns()
        line.now_ns += delay_ns
        line.clock.arrived(received_ns)
    assert line.error_ns() == 5 * MS


def test_answers_to_nothing_are_ignored() -> None:
    line = Line()
    line.clock.answered(sent_ns=line.now_ns + 1, clock_ns=5)
    line.clock.answered(sent_ns=line.now_ns - 60 * S, clock_ns=5)
    assert line.clock.n_samples == 0
