"""The virtual air between virtual controllers: Bumble's link, on which a controller can be out of reach or late."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from bumble import hci
from bumble.controller import Controller
from bumble.link import LocalLink

# What a controller keeps of packets that nobody acknowledges; more would be refused to its host.
MAX_HELD_PACKETS = 64


class Adapters(Protocol):
    """Where agents get their adapters from."""

    async def bring(self) -> None:
        """Offer adapters."""

    def take_away(self) -> None:
        """Offer none, and take back those given."""


class Air(LocalLink):
    """A link on which packets can vanish, wait or come late, always in the order of their connection."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.adapters: Adapters | None = None
        """Those of the agents on this air, if it is served to any."""
        self._rng = random.Random(seed)  # noqa: S311 - a staged delay, not a secret
        self._dark: set[Controller] = set()
        self._held: dict[Controller, list[Callable[[], None]]] = {}
        self._latest_s: dict[Controller, float] = {}
        self._free_s: dict[tuple[Controller, Controller], float] = {}

    def is_heard(self, controller: Controller) -> bool:
        """Tell whether somebody hears this controller: its link lives at both ends, and neither is dark."""
        peers = (self.other_end(connection)[0] for connection in controller.le_connections.values())
        return controller not in self._dark and any(peer is not None and peer not in self._dark for peer in peers)

    def other_end(self, connection: Any) -> tuple[Any, Any]:
        """Return who holds the other end of a link, and that end; None twice where nobody does."""
        peer = self.find_le_controller(connection.peer_address)
        peer_connection = peer.le_connections.get(connection.self_address) if peer else None
        return (None, None) if peer_connection is None else (peer, peer_connection)

    def is_away(self, controller: Controller) -> bool:
        """Tell whether what this controller sends is held back."""
        return controller in self._held

    def set_dark(self, controller: Controller, *, dark: bool) -> None:
        """Let everything to and from this controller vanish without anybody being told, or let it through again.

        Coming back, it finds that links which the other end gave up meanwhile have timed out.
        """
        if dark:
            self._dark.add(controller)
            return
        self._dark.discard(controller)
        self._end_orphans(controller)

    def set_away(self, controller: Controller, *, away: bool) -> None:
        """Hold back everything to and from this controller, as a link layer repeats what is not acknowledged.

        Coming back, what was held arrives, unless `time_out` ended the link.
        """
        if away:
            self._held.setdefault(controller, [])
            return
        for send in self._held.pop(controller, ()):
            send()
        self._end_orphans(controller)

    def time_out(self, controller: Controller) -> None:
        """End every link of this controller, as both ends do when they have not heard each other for too long."""
        if controller in self._held:
            self._held[controller].clear()
        reason = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
        for connection in list(controller.le_connections.values()):
            peer, peer_connection = self.other_end(connection)
            if peer is not None:
                peer.on_le_disconnected(peer_connection, reason)
            controller.on_le_disconnected(connection, reason)

    def set_late(self, controller: Controller, *, up_to_s: float | None) -> None:
        """Let packets to and from this controller come late by a random time of up to so many seconds; None: at once.

        None overtakes another of its connection and direction.
        """
        if up_to_s is None:
            self._latest_s.pop(controller, None)
        else:
            self._latest_s[controller] = up_to_s

    # ------------------------------------------------------------------------------------------- Bumble's own calls
    def remove_controller(self, controller: Controller) -> None:
        """Forget a controller and whatever was to befall it."""
        super().remove_controller(controller)
        self._dark.discard(controller)
        self._held.pop(controller, None)
        self._latest_s.pop(controller, None)
        for pair in [pair for pair in self._free_s if controller in pair]:
            del self._free_s[pair]

    def send_advertising_pdu(self, sender_controller: Controller, packet: Any) -> None:
        """Deliver an advertisement to whoever is in range."""
        unreachable = self._dark | self._held.keys()
        if sender_controller not in unreachable:
            for controller in self.controllers - unreachable - {sender_controller}:
                asyncio.get_running_loop().call_soon(controller.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: Any,
        data: bytes,
    ) -> None:
        """Deliver data to the other end of a connection."""
        receiver = self.find_le_controller(destination_address)
        source = sender_controller.random_address
        connection = receiver.le_connections.get(source) if receiver else None
        if receiver is None or connection is None:
            return

        def arrive() -> None:
            if receiver.le_connections.get(source) is connection:  # it may have ended, and another begun
                receiver.on_link_acl_data(source, transport, data)

        self._carry(sender_controller, receiver, arrive=arrive)

    def send_ll_control_pdu(self, sender_address: hci.Address, receiver_address: hci.Address, packet: Any) -> None:
        """Deliver a control packet, behind the data sent before it."""
        sender, receiver = self.find_le_controller(sender_address), self.find_le_controller(receiver_address)
        connection = receiver.le_connections.get(sender_address) if receiver else None
        if sender is None or receiver is None or connection is None:
            return

        def arrive() -> None:
            if receiver.le_connections.get(sender_address) is connection:
                receiver.on_ll_control_pdu(sender_address, packet)

        self._carry(sender, receiver, arrive=arrive)

    # -------------------------------------------------------------------------------------------------------- inside
    def _carry(self, sender: Controller, receiver: Controller, *, arrive: Callable[[], None]) -> None:
        if sender in self._dark or receiver in self._dark:
            return
        for end in (sender, receiver):
            if (held := self._held.get(end)) is not None:
                if len(held) < MAX_HELD_PACKETS:
                    held.append(partial(self._carry, sender, receiver, arrive=arrive))
                return
        loop, pair = asyncio.get_running_loop(), (sender, receiver)
        latest_s = max(self._latest_s.get(sender, 0.0), self._latest_s.get(receiver, 0.0))
        due_s = loop.time() + self._rng.uniform(0.0, latest_s)
        free_s = self._free_s.get(pair, 0.0)
        if latest_s == 0.0 and free_s <= loop.time():
            loop.call_soon(arrive)
            return
        # A hair behind the one before: the loop does not keep the order of equal times.
        self._free_s[pair] = due_s = max(due_s, free_s + 1e-6)
        loop.call_at(due_s, arrive)

    def _end_orphans(self, controller: Controller) -> None:
        """End the links of which one end knows nothing any more."""
        ends = [(controller, connection) for connection in controller.le_connections.values()]
        for other in self.controllers - {controller}:
            ends += [(other, c) for c in other.le_connections.values() if c.peer_address == controller.random_address]
        for end, connection in ends:
            if self.other_end(connection)[0] is None:
                end.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
