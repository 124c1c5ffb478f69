"""Answers BlueZ when a sensor wants to bond; without an answer it waits for ever, and the sensor with it.

Linux only. It says yes for sensors that this agent itself is connected with or connecting to, and no for anyone else.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from becalm_ingest.system_bus import SystemBus

AGENT_PATH = "/becalm/pairing"

_BLUEZ = "org.bluez"
_MANAGER = "org.bluez.AgentManager1"
_INTERFACE = "org.bluez.Agent1"
# A strap has neither keys nor display, so both sides can only agree (Core 5.4, Vol 3, Part H, 2.3.2).
_CAPABILITY = "NoInputNoOutput"
# A lost bus and a BlueZ that would not take us are noticed within this.
_LOOK_EVERY_S = 5.0
_LEAVE_WITHIN_S = 0.5
# BlueZ asks these of whoever can only agree; all others want a person to read or type a number.
_CAN_AGREE = {"RequestAuthorization", "AuthorizeService"}
_NOTICES = {"Release", "Cancel"}


async def answer_pairing(is_ours: Callable[[str], bool]) -> None:
    """Be BlueZ's pairing agent until cancelled, whenever it is there. Other systems ask the person themselves."""
    if sys.platform != "linux":
        return
    from becalm_ingest.system_bus import BusError, system_bus

    while True:
        with suppress(BusError, OSError, EOFError):  # the radio tells its troubles itself; TimeoutError is an OSError
            async with system_bus() as bus:
                await _serve(bus, is_ours=is_ours)
        await asyncio.sleep(_LOOK_EVERY_S)


def address_of(device_path: str) -> str:
    """Return the address within BlueZ's name of a device (`/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF`)."""
    return device_path.rpartition("/dev_")[2].replace("_", ":")


async def _serve(bus: "SystemBus", *, is_ours: Callable[[str], bool]) -> None:
    """Register, again whenever BlueZ was started anew, until the bus is lost."""
    from becalm_ingest.system_bus import BusError

    def answer(member: str, body: Sequence[Any]) -> None:
        if member in _NOTICES or (member in _CAN_AGREE and is_ours(address_of(str(body[0])))):
            return
        raise BusError("org.bluez.Error.Rejected", "becalm bonds with nobody but the sensors it connects to")

    changed = asyncio.Event()
    bus.serve(AGENT_PATH, interface=_INTERFACE, answer=answer)
    await bus.watch_owner(_BLUEZ, on_change=changed.set)
    is_registered = False
    try:
        while bus.is_connected:
            if changed.is_set() or not is_registered:
                changed.clear()
                is_registered = await _register(bus)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await changed.wait()
    finally:
        if bus.is_connected:
            with suppress(BusError, OSError, EOFError):
                async with asyncio.timeout(_LEAVE_WITHIN_S):
                    await _ask(bus, "UnregisterAgent", signature="o", body=[AGENT_PATH])


async def _register(bus: "SystemBus") -> bool:
    """Become the default pairing agent; False where there is no BlueZ that takes us now."""
    from becalm_ingest.system_bus import BusError

    try:
        await _ask(bus, "RegisterAgent", signature="os", body=[AGENT_PATH, _CAPABILITY])
    except TimeoutError:
        return False
    except BusError as exc:
        if exc.dbus_error != "org.bluez.Error.AlreadyExists":  # of an attempt whose second half failed
            return False
    with suppress(BusError, TimeoutError):
        await _ask(bus, "RequestDefaultAgent", signature="o", body=[AGENT_PATH])
        return True
    return False


async def _ask(bus: "SystemBus", member: str, *, signature: str, body: Sequence[Any]) -> None:
    await bus.call(_BLUEZ, path="/org/bluez", interface=_MANAGER, member=member, signature=signature, body=body)
