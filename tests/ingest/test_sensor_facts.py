"""What is known of a sensor beside its signals: asked seldom, and never at the price of the connection."""

from collections.abc import Callable

import pytest
from bleak.backends.device import BLEDevice

from becalm_ingest import sensor_facts
from becalm_ingest.link import Link, Sighting
from becalm_ingest.link_connection import About
from becalm_ingest.sensor_facts import Facts
from becalm_protocol.errors import LinkError
from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.sensor_state import LinkState


def sighting(rssi_dbm: int = -60) -> Sighting:
    return Sighting(
        name="strap", address="AA", rssi_dbm=rssi_dbm, family="heart_rate", device=BLEDevice("AA", "s", None), seen_ns=0
    )


class TellingLink(Link):
    """Counts what it is asked; answers, or refuses everything."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked: list[str] = []
        self.tell_level: Callable[[int], None] = lambda _: None
        self._refuses = refuses

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self._refuses:
            raise LinkError("no", advice="none")

    async def battery_pct(self) -> int | None:
        self._note("battery")
        return 0

    async def about(self) -> About:
        self._note("about")
        return About(model="H10", firmware="5.0.0")

    async def watch_battery(self, on_level: Callable[[int], None]) -> None:
        self._note("watch")
        self.tell_level = on_level


@pytest.fixture
def facts() -> Facts:
    return Facts(sighting(), label="strap", on_change=lambda: None)


async def test_the_model_is_asked_once_and_an_empty_battery_is_a_level(facts: Facts) -> None:
    first, second = TellingLink(), TellingLink()
    await facts.learn(first, on_battery=lambda _: None)
    await facts.learn(second, on_battery=lambda _: None)
    assert first.asked == ["battery", "watch", "about"]
    assert second.asked == ["battery", "watch"]
    state = facts.state(SignalKind.RR, StreamState.READY)
    assert (state.battery_pct, state.model, state.firmware, state.rssi_dbm) == (0, "H10", "5.0.0", -60)


async def test_a_sensor_that_tells_nothing_is_used_all_the_same_and_asked_again(facts: Facts) -> None:
    await facts.learn(TellingLink(refuses=True), on_battery=lambda _: None)
    assert facts.state(SignalKind.RR, StreamState.READY).model is None
    telling = TellingLink()
    await facts.learn(telling, on_battery=lambda _: None)
    assert "about" in telling.asked


async def test_a_level_told_unasked_is_passed_on(facts: Facts) -> None:
    link, levels = TellingLink(), list[int]()
    await facts.learn(link, on_battery=levels.append)
    for level_pct in (0, 41, 41, 40):
        link.tell_level(level_pct)
    assert levels == [41, 40]
    assert facts.battery_pct == 40


async def test_the_battery_is_due_again_after_some_minutes(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await facts.refresh(TellingLink()) == 0
    assert await facts.refresh(TellingLink()) is None  # told already
    assert 170 < facts.due_s() <= 180
    monkeypatch.setattr(sensor_facts, "_BATTERY_EVERY_S", 0.0)
    assert facts.due_s() == 0


def test_what_a_peer_made_up_fits_the_wire(facts: Facts) -> None:
    facts.see(sighting(rssi_dbm=-300))
    facts.trouble = "line\nbreak " + "x" * 1000
    state = facts.state(SignalKind.RR, StreamState.LOST)
    assert state.rssi_dbm == -127
    assert state.trouble is not None
    assert len(state.trouble) == 500
    assert "\n" not in state.trouble


def test_a_change_of_the_connection_is_told_once() -> None:
    told: list[LinkState] = []
    strap = Facts(sighting(), label="strap", on_change=lambda: told.append(strap.link))
    for link in (LinkState.IDLE, LinkState.CONNECTING, LinkState.CONNECTING, LinkState.SETUP):
        strap.move(link)
    assert told == [LinkState.CONNECTING, LinkState.SETUP]
