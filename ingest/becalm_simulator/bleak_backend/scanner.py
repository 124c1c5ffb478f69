"""A bleak scanner over a Bumble host."""

from contextlib import suppress
from typing import Any, ClassVar

from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason
from bumble.core import AdvertisingData, BaseBumbleError

from becalm_simulator.bleak_backend.host_adapter import HostAdapter
from becalm_simulator.cancelled import raise_if_cancelled
from becalm_simulator.uuid_text import uuid_text

_UUID_FIELDS = (
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)


class BumbleScanner(BaseBleakScanner):
    """Scans with the shared adapter; several scanners may run at once."""

    host: ClassVar[HostAdapter]

    def __init__(self, detection_callback: Any, service_uuids: list[str] | None, scanning_mode: str, **_: Any) -> None:
        super().__init__(detection_callback, service_uuids)
        self._is_active = scanning_mode == "active"
        self._device: Any = None

    async def start(self) -> None:
        """Begin to report advertisements."""
        self.seen_devices = {}
        device = self._device = await self.host.device()
        device.on("advertisement", self._heard)
        try:
            if not device.scanning:
                await device.start_scanning(active=self._is_active)
                raise_if_cancelled()
        except BaseBumbleError as exc:
            device.remove_listener("advertisement", self._heard)
            raise BleakBluetoothNotAvailableError(
                f"the Bluetooth adapter does not scan: {exc}", BleakBluetoothNotAvailableReason.UNKNOWN
            ) from exc

    async def stop(self) -> None:
        """End reporting; the last scanner to stop ends the scan."""
        device, self._device = self._device, None
        if device is None:
            return
        device.remove_listener("advertisement", self._heard)
        if self.host.is_living(device) and device.scanning and not device.listeners("advertisement"):
            with suppress(BaseBumbleError):  # the adapter was lost just now: it scans no more
                await device.stop_scanning()

    def _heard(self, advertisement: Any) -> None:
        data = advertisement.data
        uuids = list(
            dict.fromkeys(uuid_text(uuid) for kind in _UUID_FIELDS for group in data.get_all(kind) for uuid in group)
        )
        if not self.is_allowed_uuid(uuids):
            return
        name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME) or data.get(AdvertisingData.SHORTENED_LOCAL_NAME)
        manufacturer = {who: bytes(b) for who, b in data.get_all(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)}
        told = AdvertisementData(
            local_name=name,
            manufacturer_data=manufacturer,
            service_data={},
            service_uuids=uuids,
            tx_power=data.get(AdvertisingData.TX_POWER_LEVEL),
            rssi=advertisement.rssi,
            platform_data=(advertisement,),
        )
        address = advertisement.address.to_string(False)
        device = self.create_or_update_device(address, address, name, {"address": advertisement.address}, told)
        self.call_detection_callbacks(device, told)
