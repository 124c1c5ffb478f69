"""Every family has the same shape and is recognised by what it advertises."""

import pytest

from becalm_ingest.devices import FAMILIES, Cursor, Family, family_named
from becalm_ingest.devices.family import each_signal_once
from becalm_protocol.events import SignalKind, StreamInfo


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_can_be_told_and_talked_to(family: Family) -> None:
    cursors = {
        template.kind: Cursor(stream_id="a", sample_rate_hz=template.sample_rate_hz) for template in family.streams
    }
    for template in family.streams:
        StreamInfo(
            stream_id="a",
            kind=template.kind,
            unit=template.unit,
            unit_per_count=template.unit_per_count,
            sample_rate_hz=template.sample_rate_hz,
            clock=template.clock,
            device=family.name,
        )
        assert 0 < template.late_after_s < template.lost_after_s
    conversation = family.converse(cursors)
    assert conversation.n_answers == 0
    assert conversation.refusal is None
    assert family_named(family.name) is family


@pytest.mark.parametrize(
    ("uuids", "name", "expected"),
    [
        (("0000180d-0000-1000-8000-00805f9b34fb",), "", "heart_rate"),
        ((), "Polar H10 C0FFEE12", "heart_rate"),
        ((), "GDX-RB 0K4000J6", "vernier_belt"),
        (("d91714ef-28b9-4f91-ba16-f0d9a604f112",), "", "vernier_belt"),
        (("6e400001-b5a3-f393-e0a9-e50e24dcca9e",), "anything", "uart_skin"),
        ((), "SIM-EDA 0001", "uart_skin"),
        ((), "Movesense 174630000192", "movesense"),
        (("0000fdf3-0000-1000-8000-00805f9b34fb",), "", "movesense"),
        (("34802252-7185-4d5d-b431-630e7050e8f0",), "", "movesense"),
        ((), "BITalino-4C-BB", "bitalino"),
        (("c566488a-0882-4e1b-a6d0-0b717e652234",), "", "bitalino"),
        ((), "Shimmer3R-6749-BLE", "shimmer"),
        (("65333333-a115-11e2-9e9a-0800200ca100",), "", "shimmer"),
        ((), "", None),
        (("0000180f-0000-1000-8000-00805f9b34fb",), "Kettle", None),
    ],
)
def test_recognised_by_service_or_name(uuids: tuple[str, ...], name: str, expected: str | None) -> None:
    found = [family.name for family in FAMILIES if family.matches(advertised_uuids=uuids, name=name)]
    assert found == ([expected] if expected else [])


def test_an_unknown_family() -> None:
    assert family_named("kettle") is None


def test_a_signal_that_a_sensor_tells_twice_is_taken_once() -> None:
    heart_rate, movesense = family_named("heart_rate"), family_named("movesense")
    assert heart_rate is not None
    assert movesense is not None
    kept = each_signal_once((heart_rate, movesense))
    assert [family.name for family in kept] == ["heart_rate", "movesense"]
    assert [stream.kind for family in kept for stream in family.streams].count(SignalKind.RR) == 1
    assert kept[0] is heart_rate
    assert each_signal_once((heart_rate, heart_rate)) == (heart_rate,)
    assert each_signal_once(()) == ()
