"""A survey over a line that the test holds."""

from collections.abc import Callable

import pytest

from becalm_ingest.ask import RefusedError, look_into
from becalm_ingest.devices import Channel, Write, heart_rate, polar_pmd
from becalm_ingest.link_trouble import BondMissingError
from becalm_protocol.errors import LinkError
from becalm_protocol.events import SignalKind

ECG_SETTINGS = bytes.fromhex("f0 01 00 00 00 00 01 82 00 01 01 0e 00")


class FakeSensor:
    """Answers questions about ECG; everything else it refuses."""

    label = "strap"

    def __init__(self, features: str = "0f 01 00") -> None:
        self.features = bytes.fromhex(features)
        self.is_bonded = True
        self.is_mute = False
        self.on_bytes: dict[str, Callable[[bytearray], None]] = {}
        self.written: list[bytes] = []

    async def read(self, uuid: str) -> bytes:
        assert uuid == polar_pmd.CONTROL_UUID
        if not self.is_bonded:
            raise BondMissingError("bond", advice="bond")
        return self.features

    async def subscribe(self, channel: Channel, *, on_bytes: Callable[[bytearray], None]) -> None:
        self.on_bytes[channel.name] = on_bytes

    async def unsubscribe(self, channel: Channel) -> None:
        del self.on_bytes[channel.name]

    async def write(self, write: Write) -> None:
        self.written.append(write.data)
        self.on_bytes["control"](bytearray(b"\x77"))  # what is no answer leaves the question open
        refusal = bytes([0xF0, write.data[0], write.data[1], 6])
        if not self.is_mute:
            self.on_bytes["control"](bytearray(ECG_SETTINGS if write.data == b"\x01\x00" else refusal))

    async def pair(self) -> None:
        self.is_bonded = True


async def test_a_sensor_is_asked_and_left_as_it_was() -> None:
    sensor = FakeSensor()
    family = await look_into(sensor, polar_pmd.FAMILY)
    assert [stream.kind for stream in family.streams] == [SignalKind.ECG]
    assert sensor.written == [b"\x01\x00", b"\x03\x00"]
    assert sensor.on_bytes == {}


async def test_a_bond_is_made_where_the_sensor_wants_one_to_be_read() -> None:
    sensor = FakeSensor()
    sensor.is_bonded = False
    assert (await look_into(sensor, polar_pmd.FAMILY)).streams
    assert sensor.is_bonded


async def test_a_sensor_that_describes_itself_oddly_keeps_its_other_families() -> None:
    with pytest.raises(RefusedError, match="describes itself") as caught:
        await look_into(FakeSensor("f0 01 00"), polar_pmd.FAMILY)
    assert "Update" in caught.value.advice


async def test_a_sensor_that_does_not_answer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("becalm_ingest.ask._ANSWER_WITHIN_S", 0.01)
    sensor = FakeSensor()
    sensor.is_mute = True
    with pytest.raises(LinkError, match="does not answer"):
        await look_into(sensor, polar_pmd.FAMILY)
    assert sensor.on_bytes == {}


async def test_a_family_that_is_the_same_on_every_sensor_is_not_asked() -> None:
    assert await look_into(FakeSensor(), heart_rate.FAMILY) is heart_rate.FAMILY
