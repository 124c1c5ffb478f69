"""What waits for the next connection event: in order, bounded, and where it is lost, doubled or mixed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.events import SignalKind
from becalm_simulator.gatt import Outgoing
from becalm_simulator.outbox import MAX_WAITING, OVERTAKING_NS, Outbox

RR, ECG = SignalKind.RR, SignalKind.ECG


def note(idx: int, *, uuid: str = "ecg", kind: SignalKind | None = ECG, indicate: bool = False) -> Outgoing:
    return Outgoing(uuid=uuid, data=bytes((idx,)), kind=kind, n_sent=0 if kind is None else 1, indicate=indicate)


def bytes_of(notes: list[Outgoing]) -> list[int]:
    return [outgoing.data[0] for outgoing in notes]


@pytest.fixture
def lost() -> dict[SignalKind, int]:
    return {RR: 0, ECG: 0}


@pytest.fixture
def outbox(lost: dict[SignalKind, int]) -> Outbox:
    return Outbox(lost)


def test_what_was_put_leaves_in_order_a_few_at_a_time(outbox: Outbox) -> None:
    for idx in range(5):
        outbox.put(note(idx), now_ns=idx)
    assert outbox.due_ns() == 0
    assert bytes_of(outbox.take(2, now_ns=9)) == [0, 1]
    assert bytes_of(outbox.take(9, now_ns=9)) == [2, 3, 4]
    assert outbox.due_ns() is None


def test_a_full_outbox_loses_the_oldest_and_counts_it(outbox: Outbox, lost: dict[SignalKind, int]) -> None:
    for idx in range(MAX_WAITING + 3):
        outbox.put(note(idx), now_ns=0)
    assert len(outbox) == MAX_WAITING
    assert lost == {RR: 0, ECG: 3}
    assert bytes_of(outbox.take(1, now_ns=0)) == [3]


def test_what_several_channels_share_is_lost_for_each() -> None:
    lost = dict.fromkeys((SignalKind.PPG_1, SignalKind.PPG_2), 0)
    outbox = Outbox(lost)
    frame = Outgoing(uuid="ppg", data=b"", kind=SignalKind.PPG_1, n_sent=18, also=(SignalKind.PPG_2,))
    for _ in range(MAX_WAITING + 2):
        outbox.put(frame, now_ns=0)
    assert lost == {SignalKind.PPG_1: 36, SignalKind.PPG_2: 36}


def test_an_overrun_loses_measurements_but_no_answers(outbox: Outbox, lost: dict[SignalKind, int]) -> None:
    outbox.n_to_lose = 2
    outbox.put(note(0), now_ns=0)
    outbox.answer(note(1, kind=None), now_ns=0)
    outbox.put(note(2), now_ns=0)
    outbox.put(note(3), now_ns=0)
    assert bytes_of(outbox.take(9, now_ns=0)) == [1, 3]
    assert (outbox.n_to_lose, lost[ECG]) == (0, 2)


def test_a_sample_of_which_a_piece_was_lost_is_lost(outbox: Outbox, lost: dict[SignalKind, int]) -> None:
    outbox.n_to_lose = 1
    outbox.put(note(0, kind=None), now_ns=0)
    outbox.put(note(1), now_ns=0)
    outbox.put(note(2), now_ns=0)
    taken = outbox.take(9, now_ns=0)
    assert bytes_of(taken) == [1, 2]
    assert [outgoing.n_sent for outgoing in taken] == [0, 1]
    assert lost[ECG] == 1


def test_every_sample_is_sent_or_lost_whatever_is_torn_where(outbox: Outbox, lost: dict[SignalKind, int]) -> None:
    n_packets = MAX_WAITING
    taken: list[Outgoing] = []
    for packet in range(n_packets):
        outbox.n_to_lose += packet in (3, 50)
        outbox.put(note(packet, kind=None), now_ns=0)
        outbox.put(note(packet), now_ns=0)
        taken += outbox.take(1, now_ns=0) if packet % 3 == 0 else []
    taken += outbox.take(2 * MAX_WAITING, now_ns=0)
    whole = [p for p in range(n_packets) if sum(outgoing.data[0] == p for outgoing in taken) == 2]
    assert sum(outgoing.n_sent for outgoing in taken) == len(whole)
    assert lost[ECG] == n_packets - len(whole)
    assert {3, 50}.isdisjoint(whole)


def test_doubles_follow_at_once_count_nothing_and_spare_indications(outbox: Outbox) -> None:
    outbox.is_doubling = True
    outbox.put(note(0), now_ns=0)
    outbox.answer(note(1, kind=None, indicate=True), now_ns=0)
    taken = outbox.take(9, now_ns=0)
    assert bytes_of(taken) == [0, 0, 1]
    assert sum(outgoing.n_sent for outgoing in taken) == 1


def test_mixing_waits_for_another_characteristic_and_lets_it_pass(outbox: Outbox) -> None:
    outbox.is_mixing = True
    outbox.put(note(0), now_ns=100)
    assert outbox.take(9, now_ns=100) == []
    assert outbox.due_ns() == 100 + OVERTAKING_NS
    outbox.put(note(1, uuid="hr", kind=RR), now_ns=200)
    assert outbox.due_ns() == 100
    assert bytes_of(outbox.take(9, now_ns=200)) == [1]
    assert bytes_of(outbox.take(9, now_ns=100 + OVERTAKING_NS)) == [0]


@given(st.lists(st.sampled_from(["ecg", "hr", "battery"]), max_size=MAX_WAITING), st.integers(1, 6))
def test_mixing_never_changes_the_order_within_a_characteristic(uuids: list[str], n_most: int) -> None:
    outbox = Outbox({ECG: 0})
    outbox.is_mixing = True
    sent = [note(idx, uuid=uuid) for idx, uuid in enumerate(uuids)]
    heard: list[Outgoing] = []
    for idx, outgoing in enumerate(sent):
        outbox.put(outgoing, now_ns=idx * 10_000_000)
        heard += outbox.take(n_most, now_ns=idx * 10_000_000)
    heard += outbox.take(MAX_WAITING, now_ns=10 * OVERTAKING_NS)
    assert Counter(bytes_of(heard)) == Counter(bytes_of(sent))
    for uuid in set(uuids):
        assert [o for o in heard if o.uuid == uuid] == [o for o in sent if o.uuid == uuid]


def test_a_peer_that_goes_takes_what_waited_with_it(outbox: Outbox, lost: dict[SignalKind, int]) -> None:
    outbox.put(note(0, kind=None), now_ns=0)
    outbox.put(note(1), now_ns=0)
    outbox.clear()
    assert len(outbox) == 0
    assert lost[ECG] == 1
    outbox.put(note(2), now_ns=0)
    assert [o.n_sent for o in outbox.take(1, now_ns=0)] == [1]
