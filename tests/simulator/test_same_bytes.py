"""What a sensor measures is the seed's alone: faults, other sensors and when it is asked change nothing of it."""

from collections.abc import Callable

import pytest

from becalm_protocol.units import NS_PER_MS, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.gatt import Sensor
from becalm_simulator.sensors.skin import UART_TX
from becalm_simulator.sensors.wardrobe import wear_sensors

HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
PMD_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
START_ECG = bytes.fromhex("02 00 00 01 82 00 01 01 0E 00")
BELT_COMMAND = "f4bf14a6-c7d5-4b6d-8aa8-df1a7c83adcb"
START_MEASURING = bytes.fromhex("58 13 FE 81 18") + bytes(14)
MTU = 247


def start_strap(sensor: Sensor) -> None:
    sensor.on_subscribed(HEART_RATE, wanted=True, now_ns=0)
    sensor.on_write(PMD_CONTROL, START_ECG, mtu=MTU, now_ns=0)


def start_belt(sensor: Sensor) -> None:
    sensor.on_write(BELT_COMMAND, START_MEASURING, mtu=MTU, now_ns=0)


def start_skin(sensor: Sensor) -> None:
    sensor.on_subscribed(UART_TX, wanted=True, now_ns=0)


STARTS = {"strap": start_strap, "belt": start_belt, "skin": start_skin}


def measure(word: str, *, start: Callable[[Sensor], None], step_ms: int, jolt: bool = False) -> dict[str, bytes]:
    """Everything one sensor notifies in eight seconds, by characteristic."""
    (sensor,) = wear_sensors(Body.from_seed(11), (word,))
    start(sensor)
    sent: dict[str, bytes] = {}
    for t_ns in range(0, ns_from_s(8.0), step_ms * NS_PER_MS):
        if jolt and t_ns == ns_from_s(3.0):
            sensor.clock.restart(t_ns)
        for outgoing in sensor.poll(t_ns, mtu=MTU):
            sent[outgoing.uuid] = sent.get(outgoing.uuid, b"") + outgoing.data
    return sent


@pytest.mark.parametrize("word", sorted(STARTS))
def test_the_same_bytes_however_often_a_sensor_is_polled(word: str) -> None:
    often = measure(word, start=STARTS[word], step_ms=10)
    assert often == measure(word, start=STARTS[word], step_ms=10)
    seldom = measure(word, start=STARTS[word], step_ms=100)
    assert often.keys() == seldom.keys()
    for uuid, sent in seldom.items():
        assert len(sent) > 50 * (uuid != HEART_RATE)
        assert often[uuid][: len(sent)] == sent


def test_a_clock_that_starts_anew_changes_stamps_only() -> None:
    def levels(sent: dict[str, bytes]) -> list[bytes]:
        return [line.partition(b",")[0] for line in sent[UART_TX].split(b"\n")]

    plain, jolted = (measure("skin", start=start_skin, step_ms=10, jolt=jolt) for jolt in (False, True))
    assert plain != jolted
    assert levels(plain) == levels(jolted)
