"""bluetoothd as the agent meets it: its answers, and the quirks that cost people data."""

from __future__ import annotations  # elsewhere than on Linux the types of D-Bus are not there

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any

from tests.bluez.bluez_objects import BluezObjects
from tests.bluez.straps import ADAPTER, AGENTS, CHARACTERISTIC, DEVICE, MANAGER, PROPERTIES, Strap

if sys.platform == "linux":
    from dbus_fast import BusType, Message, MessageType
    from dbus_fast import Variant as V  # noqa: N817 - a hundred times below
    from dbus_fast.aio import MessageBus

ADVERTISING_EVERY_S = 0.02


class RefusedError(Exception):
    """What bluetoothd answers with an error: its name and its text."""


class Mischief(Enum):
    """What may happen instead of an answer, or just before it."""

    REFUSE = "refuse"
    HANG = "hang"
    DROP = "drop"
    FORGET = "forget"


class Bluez(BluezObjects):
    """bluetoothd with one adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        """(method, last part of the path) of everything that was asked."""
        self.agent: tuple[str, str] | None = None
        """Bus name and path of the default pairing agent."""
        self.capability = ""
        self.mischief: Callable[[str], Mischief | None] = lambda _: None
        """Asked before each call is obeyed."""
        self._failures: dict[str, deque[tuple[str, str]]] = {}
        self._registered: set[tuple[str, str]] = set()
        self._is_scanning = False
        self._tasks: set[asyncio.Task[None]] = set()

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

    def fail(self, member: str, name: str, text: str = "", *, times: int = 1) -> None:
        """Have the next calls of a method refused."""
        self._failures.setdefault(member, deque()).extend([(name, text)] * times)

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

    # -------------------------------------------------------------------------------------------------------- methods
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
