"""bluetoothd as the agent meets it, on a private bus: objects, signals, and the quirks that cost people data.

Everything between the agent and this fake is real: bleak's own BlueZ back end, dbus-fast and a dbus-daemon.
"""

from __future__ import annotations  # elsewhere than on Linux the types of D-Bus are not there

import asyncio
import contextlib
import gc
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # BlueZ is Linux, and dbus-fast is installed there alone
else:
    from dbus_fast import BusType, Message, MessageType
    from dbus_fast import Variant as V  # noqa: N817 - a hundred times below
    from dbus_fast.aio import MessageBus

MANAGER, PROPERTIES = "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties"
ADAPTER, DEVICE, AGENTS = "org.bluez.Adapter1", "org.bluez.Device1", "org.bluez.AgentManager1"
SERVICE, CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
HCI0 = "/org/bluez/hci0"
ADVERTISING_EVERY_S = 0.02

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
{rules}</policy></busconfig>"""
NOBODY_MAY_CALL_BLUEZ = '<deny send_destination="org.bluez"/>'

HRS, HRM = "0000180d-0000-1000-8000-00805f9b34fb", "00002a37-0000-1000-8000-00805f9b34fb"
BATTERY, LEVEL = "0000180f-0000-1000-8000-00805f9b34fb", "00002a19-0000-1000-8000-00805f9b34fb"
ABOUT = "0000180a-0000-1000-8000-00805f9b34fb"
MODEL, FIRMWARE = "00002a24-0000-1000-8000-00805f9b34fb", "00002a26-0000-1000-8000-00805f9b34fb"
PMD = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL, DATA = PMD.replace("5c80", "5c81"), PMD.replace("5c80", "5c82")


class RefusedError(Exception):
    """What bluetoothd answers with an error: its name and its text."""


class Mischief(Enum):
    """What may happen instead of an answer, or just before it."""

    REFUSE = "refuse"
    HANG = "hang"
    DROP = "drop"
    FORGET = "forget"


@dataclass(kw_only=True)
class Char:
    """A characteristic of a virtual strap."""

    flags: list[str]
    value: bytes = b""
    is_encrypted: bool = False


@dataclass(kw_only=True)
class Strap:
    """A sensor as bluetoothd sees it."""

    name: str = "SIM-HR 0001"
    address: str = "F0:C0:FF:EE:12:00"
    services: dict[str, dict[str, Char]] = field(
        default_factory=lambda: {
            HRS: {HRM: Char(flags=["notify"])},
            BATTERY: {LEVEL: Char(flags=["read", "notify"], value=b"\x57")},
            ABOUT: {
                MODEL: Char(flags=["read"], value=b"H10\0"),
                FIRMWARE: Char(flags=["read"], value=b"5.0.0"),
            },
        }
    )
    in_range: bool = True
    resolves: bool = True
    """False: service discovery never comes to an end."""
    tells_mtu: bool = True
    """False before BlueZ 5.62."""
    knows_us: bool = False
    """It has a bond with this computer."""
    refuses_bond: bool = False
    written: list[tuple[str, bytes]] = field(default_factory=list)
    listeners: dict[str, list[str]] = field(default_factory=dict)
    """By characteristic, the bus names that asked for its notifications: kept over a lost link, as bluetoothd does."""
    first_words: dict[str, list[bytes]] = field(default_factory=dict)
    """By characteristic, what it notifies in the moment in which somebody begins to listen."""

    @property
    def path(self) -> str:
        return f"{HCI0}/dev_{self.address.replace(':', '_')}"

    def char(self, uuid: str) -> Char:
        return next(chars[uuid] for chars in self.services.values() if uuid in chars)

    def char_path(self, uuid: str) -> str:
        n_service = next(n for n, chars in enumerate(self.services.values()) if uuid in chars)
        n_char = list(list(self.services.values())[n_service]).index(uuid)
        return f"{self.path}/service{n_service + 1:02x}00/char{n_service + 1:02x}{2 * n_char + 1:02x}"


class Bluez:
    """bluetoothd with one adapter."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        """(method, last part of the path) of everything that was asked."""
        self.agent: tuple[str, str] | None = None
        """Bus name and path of the default pairing agent."""
        self.capability = ""
        self.mischief: Callable[[str], Mischief | None] = lambda _: None
        """Asked before each call is obeyed."""
        self._objects: dict[str, dict[str, dict[str, Any]]] = {"/org/bluez": {AGENTS: {}}}
        self._straps: dict[str, Strap] = {}
        self._failures: dict[str, deque[tuple[str, str]]] = {}
        self._registered: set[tuple[str, str]] = set()
        self._is_scanning = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.add_adapter()

    # ---------------------------------------------------------------------------------------------- what tests stage
    async def start(self) -> None:
        self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        self._bus.add_message_handler(self._handle)
        await self._bus.request_name("org.bluez")
        rule = ["type='signal',member='NameOwnerChanged'"]
        dbus = "org.freedesktop.DBus"
        await self._bus.call(Message(dbus, "/org/freedesktop/DBus", dbus, "AddMatch", signature="s", body=rule))
        self._spawn(self._advertise())

    async def stop(self) -> None:
        """End as a killed bluetoothd does: agents and discoveries are forgotten."""
        for task in list(self._tasks):
            task.cancel()
        self._bus.disconnect()
        with contextlib.suppress(OSError, EOFError):
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        self.agent, self._is_scanning = None, False

    def add_adapter(self, *, powered: bool = True, roles: tuple[str, ...] = ("central", "peripheral")) -> None:
        self._objects[HCI0] = {
            ADAPTER: {
                "Address": V("s", "00:11:22:33:44:55"), "Name": V("s", "sim"), "Alias": V("s", "sim"),
                "Powered": V("b", powered), "Discovering": V("b", False), "Roles": V("as", list(roles)),
                "UUIDs": V("as", []),
            }
        }  # fmt: skip

    def remove_adapter(self) -> None:
        del self._objects[HCI0]

    def unplug(self) -> None:
        """The adapter goes, and with it all devices."""
        for strap in self._straps.values():
            self.forget(strap)
        interfaces = list(self._objects.pop(HCI0))
        self._signal("/", MANAGER, member="InterfacesRemoved", signature="oas", body=[HCI0, interfaces])

    def plug_in(self) -> None:
        self.add_adapter()
        self._add(HCI0, self._objects[HCI0])

    def put_on(self, strap: Strap, *, connected: bool = False, paired: bool = False) -> Strap:
        """Bring a strap near; connected: another process made the connection, and died."""
        self._straps[strap.path] = strap
        if connected or paired:
            self._objects[strap.path] = self._device(strap)
            self._objects[strap.path][DEVICE] |= {"Connected": V("b", connected), "Paired": V("b", paired)}
        if connected:
            self._objects |= self._gatt(strap)
            self._objects[strap.path][DEVICE]["ServicesResolved"] = V("b", True)
        return strap

    def fail(self, member: str, name: str, text: str = "", *, times: int = 1) -> None:
        """Have the next calls of a method refused."""
        self._failures.setdefault(member, deque()).extend([(name, text)] * times)

    def drop(self, strap: Strap) -> None:
        """The link is lost; what bleak asked of it before is not forgotten."""
        self._change(strap.path, DEVICE, ServicesResolved=V("b", False), Connected=V("b", False))

    def forget(self, strap: Strap) -> None:
        """Remove a device, as bluetoothd does half a minute after a scan."""
        for path in [path for path in self._objects if path.startswith(strap.path)][::-1]:
            interfaces = list(self._objects.pop(path))
            self._signal("/", MANAGER, member="InterfacesRemoved", signature="oas", body=[path, interfaces])

    def notify(self, strap: Strap, uuid: str, data: bytes) -> None:
        """The strap notifies: bluetoothd tells it once for everyone who asked, and everyone hears each of them."""
        path = strap.char_path(uuid)
        for _ in strap.listeners.get(path, ()):
            self._change(path, CHARACTERISTIC, Value=V("ay", data))

    def is_connected(self, strap: Strap) -> bool:
        return strap.path in self._objects and bool(self._objects[strap.path][DEVICE]["Connected"].value)

    def is_paired(self, strap: Strap) -> bool:
        return strap.path in self._objects and bool(self._objects[strap.path][DEVICE]["Paired"].value)

    def asked(self, member: str) -> int:
        """How often a method was called."""
        return [called for called, _ in self.calls].count(member)

    async def ask_agent(self, member: str, signature: str, *body: Any) -> str | None:
        """Ask the pairing agent something; return the name of its refusal, None where it agreed."""
        assert self.agent is not None
        name, path = self.agent
        reply = await self._bus.call(
            Message(name, path, "org.bluez.Agent1", member, signature=signature, body=list(body))
        )
        assert reply is not None
        return reply.error_name if reply.message_type is MessageType.ERROR else None

    # -------------------------------------------------------------------------------------------------------- objects
    def _device(self, strap: Strap) -> dict[str, dict[str, Any]]:
        props = {
            "Address": V("s", strap.address), "AddressType": V("s", "random"), "Name": V("s", strap.name),
            "Alias": V("s", strap.name), "Adapter": V("o", HCI0), "Paired": V("b", False), "Trusted": V("b", False),
            "Connected": V("b", False), "ServicesResolved": V("b", False), "UUIDs": V("as", [HRS]),
            "RSSI": V("n", -55),
        }  # fmt: skip
        return {DEVICE: props}

    def _gatt(self, strap: Strap) -> dict[str, dict[str, dict[str, Any]]]:
        made: dict[str, dict[str, dict[str, Any]]] = {}
        for service, chars in strap.services.items():
            service_path = strap.char_path(next(iter(chars))).rpartition("/")[0]
            made[service_path] = {
                SERVICE: {"UUID": V("s", service), "Primary": V("b", True), "Device": V("o", strap.path)}
            }
            for uuid, char in chars.items():
                props = {"UUID": V("s", uuid), "Service": V("o", service_path), "Flags": V("as", char.flags)}
                if strap.tells_mtu:
                    props["MTU"] = V("q", 517)
                made[strap.char_path(uuid)] = {CHARACTERISTIC: props}
        return made

    def _add(self, path: str, interfaces: dict[str, dict[str, Any]]) -> None:
        self._objects[path] = interfaces
        self._signal("/", MANAGER, member="InterfacesAdded", signature="oa{sa{sv}}", body=[path, interfaces])

    def _change(self, path: str, interface: str, **props: Any) -> None:
        if path not in self._objects:
            return
        self._objects[path][interface].update(props)
        self._signal(path, PROPERTIES, member="PropertiesChanged", signature="sa{sv}as", body=[interface, props, []])

    def _signal(self, path: str, interface: str, *, member: str, signature: str, body: list[Any]) -> None:
        if self._bus.connected:
            self._bus.send(Message.new_signal(path, interface, member, signature, body))

    async def _advertise(self) -> None:
        while True:
            await asyncio.sleep(ADVERTISING_EVERY_S)
            for strap in self._straps.values():
                if not (self._is_scanning and strap.in_range) or self.is_connected(strap):
                    continue
                if strap.path not in self._objects:
                    self._add(strap.path, self._device(strap))
                else:
                    rssi = self._objects[strap.path][DEVICE]["RSSI"].value
                    self._change(strap.path, DEVICE, RSSI=V("n", -56 if rssi == -55 else -55))

    # -------------------------------------------------------------------------------------------------------- methods
    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _handle(self, message: Message) -> bool | None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged" and not message.body[2]:
            self._forget_client(message.body[0])
        if message.message_type is not MessageType.METHOD_CALL or message.interface == "org.freedesktop.DBus.Peer":
            return None
        self.calls.append((message.member or "", (message.path or "").rpartition("/")[2]))
        self._spawn(self._answer(message))
        return True

    def _forget_client(self, name: str) -> None:
        if self.agent is not None and self.agent[0] == name:
            self.agent = None
        for strap in self._straps.values():
            strap.listeners = {path: [n for n in names if n != name] for path, names in strap.listeners.items()}

    async def _answer(self, message: Message) -> None:
        try:
            self._fail_as_staged(message.member or "")
            await self._play(self.mischief(message.member or ""))
            signature, body = await self._obey(message) or ("", [])
            self._bus.send(Message.new_method_return(message, signature, body))
        except RefusedError as exc:
            self._bus.send(Message.new_error(message, *exc.args))

    def _fail_as_staged(self, member: str) -> None:
        if failures := self._failures.get(member):
            raise RefusedError(*failures.popleft())

    async def _play(self, mischief: Mischief | None) -> None:
        if mischief is Mischief.REFUSE:
            raise RefusedError("org.bluez.Error.Failed", "Operation failed with ATT error: 0x0e")
        if mischief is Mischief.HANG:
            await asyncio.Event().wait()
        for strap in self._straps.values():
            if mischief is Mischief.DROP:
                self.drop(strap)
            elif mischief is Mischief.FORGET:
                self.forget(strap)

    async def _obey(self, message: Message) -> tuple[str, list[Any]] | None:
        if message.interface == MANAGER:
            return "a{oa{sa{sv}}}", [self._objects]
        if message.path not in self._objects:
            raise RefusedError("org.freedesktop.DBus.Error.UnknownObject", f"no {message.path}")
        if message.interface == PROPERTIES:
            self._change(message.path, message.body[0], **{message.body[1]: message.body[2]})
            return None
        strap = self._straps.get("/".join(message.path.split("/")[:5]))
        obey: dict[str, Callable[..., Awaitable[tuple[str, list[Any]] | None]]] = {
            ADAPTER: self._adapter_call, DEVICE: self._device_call, CHARACTERISTIC: self._char_call,
            AGENTS: self._agent_call,
        }  # fmt: skip
        return await obey[message.interface or ""](message, strap)

    async def _adapter_call(self, message: Message, _: Strap | None) -> None:
        if message.member in ("StartDiscovery", "StopDiscovery"):
            self._is_scanning = message.member == "StartDiscovery"
        elif message.member == "RemoveDevice":
            strap = self._straps[message.body[0]]
            self._change(strap.path, DEVICE, Connected=V("b", False))
            self.forget(strap)

    async def _agent_call(self, message: Message, _: Strap | None) -> None:
        name = message.sender or ""
        if message.member == "RegisterAgent":
            if (name, message.body[0]) in self._registered:
                raise RefusedError("org.bluez.Error.AlreadyExists", "Already Exists")
            self._registered.add((name, message.body[0]))
            self.capability = message.body[1]
        elif message.member == "RequestDefaultAgent":
            self.agent = (name, message.body[0])
        elif message.member == "UnregisterAgent":
            self._registered.discard((name, message.body[0]))
            self.agent = None

    async def _device_call(self, message: Message, strap: Strap) -> None:
        if message.member == "Connect":
            if not strap.in_range:
                raise RefusedError("org.bluez.Error.Failed", "Page Timeout")
            self._change(strap.path, DEVICE, Connected=V("b", True))
            for path, interfaces in self._gatt(strap).items():
                self._add(path, interfaces)
            if strap.resolves:
                self._change(strap.path, DEVICE, ServicesResolved=V("b", True))
        elif message.member == "Disconnect":
            self.drop(strap)
        elif message.member == "Pair":
            self._pair(strap)

    def _pair(self, strap: Strap) -> None:
        if self.agent is None or strap.refuses_bond:
            raise RefusedError("org.bluez.Error.AuthenticationFailed", "Authentication Failed")
        strap.knows_us = True
        self._change(strap.path, DEVICE, Paired=V("b", True))

    async def _encrypt(self, strap: Strap) -> None:
        """Raise the security of the link before an operation that needs it; that is where the agent is asked."""
        if self.is_paired(strap):
            if not strap.knows_us:
                raise RefusedError("org.bluez.Error.Failed", "Operation failed with ATT error: 0x0f")
            return
        if self.agent is None:
            await asyncio.Event().wait()  # bluetoothd never answers
        if await self.ask_agent("RequestAuthorization", "o", strap.path):
            raise RefusedError("org.bluez.Error.Failed", "Operation failed with ATT error: 0x05")
        self._pair(strap)

    async def _char_call(self, message: Message, strap: Strap) -> tuple[str, list[Any]] | None:
        if not self.is_connected(strap):
            raise RefusedError("org.bluez.Error.Failed", "Not connected")
        path = message.path or ""
        uuid = self._objects[path][CHARACTERISTIC]["UUID"].value
        char = strap.char(uuid)
        if char.is_encrypted:
            await self._encrypt(strap)
        if message.member == "ReadValue":
            self._change(path, CHARACTERISTIC, Value=V("ay", char.value))  # listeners hear reads too
            return "ay", [char.value]
        if message.member == "WriteValue":
            strap.written.append((uuid, bytes(message.body[0])))
        elif message.member == "StartNotify":
            strap.listeners.setdefault(path, []).append(message.sender or "")
            for data in strap.first_words.get(uuid, ()):  # before whoever asked is answered
                self._change(path, CHARACTERISTIC, Value=V("ay", data))
        elif message.member == "StopNotify":
            strap.listeners[path].remove(message.sender or "")
        return None


@dataclass(kw_only=True)
class Bus:
    """A dbus-daemon of our own, as the system bus."""

    folder: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"unix:path={self.folder / 'bus'}"

    async def start(self, *, rules: str = "") -> None:
        config = self.folder / "bus.conf"
        config.write_text(BUS_CONFIG.format(socket=self.folder / "bus", rules=rules))
        self.process = await asyncio.create_subprocess_exec(
            "dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1", stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(20.0):
            await self.process.stdout.readline()

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """A private system bus, not started yet."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("no dbus-daemon here (Debian and Ubuntu: apt-get install dbus-daemon)")
    made = Bus(folder=tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    yield made
    await made.kill()
    # What bleak has running for this loop ends with its bus; left to the garbage collector it would end anywhere.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    if rest:
        await asyncio.wait(rest, timeout=0.5)
    gc.collect()


@pytest.fixture
async def bluez(bus: Bus) -> AsyncIterator[Bluez]:
    """bluetoothd on the private bus."""
    await bus.start()
    fake = Bluez()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def make_bluez() -> type[Bluez]:
    return Bluez


@pytest.fixture
def mischiefs() -> type[Mischief]:
    return Mischief


@pytest.fixture
def make_strap() -> type[Strap]:
    return Strap


@pytest.fixture
def make_char() -> type[Char]:
    return Char


Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait until something is true."""

    async def wait(is_true: Callable[[], object]) -> None:
        async with asyncio.timeout(20.0):
            while not is_true():  # noqa: ASYNC110 - plain attributes have no event to wait for
                await asyncio.sleep(0.002)

    return wait
