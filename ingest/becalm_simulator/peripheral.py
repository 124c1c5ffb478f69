"""A sensor's GATT server by Bumble: its services, its advertisement, and what it keeps for bonded peers."""

from functools import partial
from typing import Any, Protocol

from bumble import data_types
from bumble.core import UUID, AdvertisingData
from bumble.device import Device, DeviceConfiguration
from bumble.gatt import GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR as CCCD
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address

from becalm_simulator.controller import SimController
from becalm_simulator.gatt import CharacteristicSpec, Property, Sensor, ServiceSpec
from becalm_simulator.uuid_text import short_form, uuid_text

ADVERTISING_INTERVAL_MS = 100
_WRITES = Property.WRITE | Property.WRITE_WITHOUT_RESPONSE
_BONDED_ONLY = Characteristic.READ_REQUIRES_AUTHENTICATION | Characteristic.WRITE_REQUIRES_AUTHENTICATION


class Peer(Protocol):
    """Who takes what a connected peer does."""

    def on_read(self, uuid: str) -> bytes:
        """Return the value of a characteristic."""

    def on_written(self, uuid: str, connection: Any, data: bytes) -> None:
        """Take what was written."""

    def on_subscription(self, uuid: str, _bearer: Any, notify: bool, indicate: bool) -> None:
        """Note that notifications are wanted, or no longer."""


def build_peripheral(sensor: Sensor, controller: SimController, *, peer: Peer) -> tuple[Device, dict[str, Any]]:
    """Return a Bumble device with the sensor's services, and its characteristics by UUID."""
    configuration = DeviceConfiguration(
        name=sensor.name,
        address=Address(sensor.address),
        advertising_interval_min=ADVERTISING_INTERVAL_MS,
        advertising_interval_max=ADVERTISING_INTERVAL_MS,
    )
    device = Device.from_config_with_hci(configuration, controller, controller)
    characteristics: dict[str, Any] = {}
    for service in sensor.services:
        built = [_characteristic(spec, peer=peer) for spec in service.characteristics]
        characteristics |= {spec.uuid: c for spec, c in zip(service.characteristics, built, strict=True)}
        device.add_service(Service(UUID(service.uuid), built))
    return device, characteristics


def require_bond(device: Device, sensor: Sensor) -> None:
    """Refuse whatever commands or streams the sensor to a peer that has not paired.

    As straps do, services without commands (heart rate, battery, device information) stay open to everybody.
    """
    guarded = {c.uuid for service in sensor.services if _has_commands(service) for c in service.characteristics}
    uuid = ""
    for attribute in device.gatt_server.attributes:
        if isinstance(attribute, Characteristic):
            uuid = uuid_text(attribute.uuid)
        if uuid in guarded and (isinstance(attribute, Characteristic) or attribute.type == CCCD):
            attribute.permissions |= _BONDED_ONLY


def advertisement(sensor: Sensor) -> bytes:
    """Return the advertising data: the name goes into the scan response, a 128-bit UUID leaves it no room here."""
    flags = AdvertisingData.Flags.LE_GENERAL_DISCOVERABLE_MODE | AdvertisingData.Flags.BR_EDR_NOT_SUPPORTED
    uuid = sensor.services[0].uuid
    short = short_form(uuid)
    services = (
        data_types.IncompleteListOf16BitServiceUUIDs([UUID.from_16_bits(short)])
        if short is not None
        else data_types.IncompleteListOf128BitServiceUUIDs([UUID(uuid)])
    )
    return bytes(AdvertisingData([data_types.Flags(flags), services]))


def scan_response(sensor: Sensor) -> bytes:
    """Return what an active scan learns beside: the name."""
    return bytes(AdvertisingData([data_types.CompleteLocalName(sensor.name)]))


def _has_commands(service: ServiceSpec) -> bool:
    return any(characteristic.properties & _WRITES for characteristic in service.characteristics)


def _characteristic(spec: CharacteristicSpec, *, peer: Peer) -> Any:
    permissions = Characteristic.Permissions(0)
    if Property.READ in spec.properties:
        permissions |= Characteristic.READABLE
    if spec.properties & _WRITES:
        permissions |= Characteristic.WRITEABLE
    content = CharacteristicValue(
        read=lambda _connection: peer.on_read(spec.uuid), write=partial(peer.on_written, spec.uuid)
    )
    properties = Characteristic.Properties(int(spec.properties))
    characteristic = Characteristic(UUID(spec.uuid), properties, permissions, content)
    characteristic.on(Characteristic.EVENT_SUBSCRIPTION, partial(peer.on_subscription, spec.uuid))
    return characteristic
