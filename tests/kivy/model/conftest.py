"""A screen fed by hand, as far as practice."""

from typing import Any

import pytest

from becalm_kivy import words
from becalm_kivy.link_state import Link, LinkState
from becalm_kivy.model import PracticeModel
from becalm_kivy.practice_view import PracticeView
from becalm_kivy.signals import SignalView
from becalm_kivy.traces import Curve
from becalm_protocol.handshake import SessionPhase
from becalm_protocol.units import ns_from_s

UP = LinkState(link=Link.CONNECTED, sentence=words.CONNECTED)


DOWN = LinkState(link=Link.LOST, sentence=words.SERVER_GONE)


class Screen:
    """A model whose local clock is `LOCAL_AHEAD_S` ahead of session time."""

    LOCAL_AHEAD_S = 1000.0

    def __init__(self, person: Any) -> None:
        self.model = PracticeModel()
        self.person = person

    def tell(self, *messages: Any, at_s: float = 0.0) -> "Screen":
        for message in messages:
            self.model.apply(message, now_ns=ns_from_s(at_s + self.LOCAL_AHEAD_S))
        return self

    def tell_events(self, *events: Any, at_s: float = 0.0) -> "Screen":
        return self.tell(*(self.person.live(event) for event in events), at_s=at_s)

    def look(self, at_s: float, *, knows_time: bool = True) -> PracticeView:
        session_ns = ns_from_s(at_s) if knows_time else None
        return self.model.look(now_ns=ns_from_s(at_s + self.LOCAL_AHEAD_S), session_ns=session_ns)


@pytest.fixture
def screen(person: Any) -> Screen:
    return Screen(person)


@pytest.fixture
def practising(screen: Screen, person: Any) -> Screen:
    return screen.tell(UP, person.welcome(person.session(SessionPhase.PRACTICE)))


def signal_of(view: PracticeView, curve: Curve) -> SignalView:
    return next(signal for signal in view.signals if signal.curve is curve)
