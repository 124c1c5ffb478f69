"""The only user of dbus-fast: the system bus of Linux, over which BlueZ asks about pairing and tells how it is.

dbus-fast comes with bleak, on Linux alone: import this module only there.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from dbus_fast import BusType, Message, MessageType, unpack_variants
from dbus_fast.aio import MessageBus
from dbus_fast.auth import AuthExternal
from dbus_fast.errors import DBusFastError

_CONNECT_WITHIN_S = 5.0
_CALL_WITHIN_S = 5.0
_LEAVE_WITHIN_S = 0.5
_BUS = "org.freedesktop.DBus"

Answer = Callable[[str, Sequence[Any]], None]
"""Takes the method called and its arguments; returns for a yes, raises BusError for a no."""


class BusError(Exception):
    """The bus, or whoever was called over it, refused; `dbus_error` is the error's name."""

    def __init__(self, dbus_error: str, text: str) -> None:
        self.dbus_error = dbus_error
        super().__init__(f"{dbus_error}: {text}")


class SystemBus:
    """One connection with the system bus."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def call(
        self, destination: str, *, path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = ()
    ) -> list[Any]:
        """Call a method; return what it answers. Raises BusError, TimeoutError, EOFError and OSError."""
        message = Message(destination, path, interface, member, signature=signature, body=list(body))
        async with asyncio.timeout(_CALL_WITHIN_S):
            reply = await self._bus.call(message)
        if reply is None:
            return []
        if reply.message_type is MessageType.ERROR:
            raise BusError(reply.error_name or "", " ".join(map(str, reply.body)))
        answer: list[Any] = unpack_variants(reply.body)
        return answer

    def serve(self, path: str, *, interface: str, answer: Answer) -> None:
        """Have `answer` decide every call of an interface at a path."""

        def handle(message: Message) -> Message | None:
            if message.message_type is not MessageType.METHOD_CALL:
                return None
            if (message.path, message.interface) != (path, interface):
                return None
            try:
                answer(message.member or "", message.body)
            except BusError as exc:
                return Message.new_error(message, exc.dbus_error, str(exc))
            return Message.new_method_return(message)

        self._bus.add_message_handler(handle)

    async def watch_owner(self, name: str, *, on_change: Callable[[], None]) -> None:
        """Have it told whenever a service comes or goes."""
        rule = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{name}'"
        await self.call(
            _BUS, path="/org/freedesktop/DBus", interface=_BUS, member="AddMatch", signature="s", body=[rule]
        )

        def handle(message: Message) -> None:
            if message.member == "NameOwnerChanged" and message.body[0] == name:
                on_change()

        self._bus.add_message_handler(handle)

    @property
    def is_connected(self) -> bool:
        """False once the bus is gone."""
        return self._bus.connected


@asynccontextmanager
async def system_bus() -> AsyncIterator[SystemBus]:
    """Connect with the system bus. Raises BusError, TimeoutError, EOFError and OSError."""
    uid = os.environ.get("BLEAK_DBUS_AUTH_UID", "")  # the same setting as bleak's, for containers
    try:
        bus = MessageBus(bus_type=BusType.SYSTEM, auth=AuthExternal(uid=int(uid)) if uid.isdigit() else None)
    except DBusFastError as exc:
        raise BusError(f"{_BUS}.Error.BadAddress", str(exc)) from exc
    try:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                await bus.connect()
        except DBusFastError as exc:  # it does not accept who we are
            raise BusError(f"{_BUS}.Error.AccessDenied", str(exc)) from exc
        yield SystemBus(bus)
        bus.disconnect()
        with suppress(OSError, EOFError):  # how it ended is of no interest, but unread it would be logged
            async with asyncio.timeout(_LEAVE_WITHIN_S):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    finally:
        bus.disconnect()
