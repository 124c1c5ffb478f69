"""The agent's one Bluetooth adapter when it speaks HCI itself: opened when needed, opened anew when it was lost."""

import asyncio
import secrets
from typing import Any

from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason
from bumble.core import BaseBumbleError
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.keys import MemoryKeyStore
from bumble.transport import open_transport

# A socket on this machine answers at once; a USB dongle resets within a second.
OPEN_TIMEOUT_S = 5.0
_BUMBLE_SCHEMES = {"unix": "unix-client", "tcp": "tcp-client"}


class HostAdapter:
    """One HCI transport with a Bumble host on it, shared by every scanner and client of a back end."""

    def __init__(self, spec: str) -> None:
        self._spec = spec
        # They outlive the adapter's absence: a bonded sensor knows us by the one and the other.
        self._address = _random_static_address()
        self._bonds = MemoryKeyStore()
        self._transport: Any = None
        self._device: Any = None
        self._opening = asyncio.Lock()
        self.connecting = asyncio.Lock()
        """One connection attempt at a time: a controller refuses a second."""

    async def device(self) -> Any:
        """Return the living Bumble device. Raises BleakBluetoothNotAvailableError while there is no adapter."""
        async with self._opening:
            if self.is_living(self._device):
                return self._device
            await self.close()
            try:
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    await self._open()
            except (OSError, TimeoutError, BaseBumbleError) as exc:
                await self.close()
                raise self._absence() from exc
            return self._device

    def is_living(self, device: Any) -> bool:
        """Tell whether this Bumble device still has its adapter."""
        return device is not None and device is self._device and not self._transport.source.terminated.done()

    async def close(self) -> None:
        """Let go of the adapter; connected sensors see the link end."""
        transport, self._transport, self._device = self._transport, None, None
        if transport is not None:
            await transport.close()

    def _absence(self) -> BleakBluetoothNotAvailableError:
        is_virtual = self._spec.partition(":")[0] in _BUMBLE_SCHEMES
        what = "virtual radio" if is_virtual else "Bluetooth adapter"
        return BleakBluetoothNotAvailableError(
            f"no {what} at {self._spec}", BleakBluetoothNotAvailableReason.NO_BLUETOOTH
        )

    async def _open(self) -> None:
        scheme, _, place = self._spec.partition(":")
        self._transport = await open_transport(f"{_BUMBLE_SCHEMES.get(scheme, scheme)}:{place}")
        configuration = DeviceConfiguration(name="becalm agent", address=self._address)
        device = Device.from_config_with_hci(configuration, self._transport.source, self._transport.sink)
        device.keystore = self._bonds
        await device.power_on()
        self._device = device


def _random_static_address() -> Address:
    """Return a fresh random static address (two highest bits set): two agents on one air must differ."""
    content = bytearray(secrets.token_bytes(6))
    content[5] |= 0xC0
    return Address(bytes(content), Address.RANDOM_DEVICE_ADDRESS)
