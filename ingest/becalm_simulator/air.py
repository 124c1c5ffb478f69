"""The virtual air between virtual controllers: Bumble's link and controller, with the holes that matter filled in."""

import asyncio
from typing import Any

from bumble import hci
from bumble.controller import Controller
from bumble.link import LocalLink

# Data length extension: a whole ECG frame in one link-layer packet instead of nine.
ACL_BYTES = 251
RSSI_DBM = -54
_REPORT = hci.HCI_LE_Extended_Advertising_Report_Event
# Legacy PDUs inside extended reports (Core 5.4, Vol 4, Part E, 7.7.65.13): ADV_IND and the scan response to it.
_ADV_IND, _SCAN_RSP = 0x13, 0x1B


class Air(LocalLink):
    """A link on which a controller can go out of range without anybody being told."""

    def __init__(self) -> None:
        super().__init__()
        self._dark: set[Controller] = set()

    def set_dark(self, controller: Controller, *, dark: bool) -> None:
        """Let everything to and from this controller vanish, or let it through again.

        Coming back, it finds that links which the other end gave up meanwhile have timed out.
        """
        if dark:
            self._dark.add(controller)
            return
        self._dark.discard(controller)
        for connection in list(controller.le_connections.values()):
            peer = self.find_le_controller(connection.peer_address)
            if peer is None or connection.self_address not in peer.le_connections:
                controller.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def send_advertising_pdu(self, sender_controller: Controller, packet: Any) -> None:
        """Deliver an advertisement to whoever is in range."""
        if sender_controller in self._dark:
            return
        loop = asyncio.get_running_loop()
        for controller in self.controllers:
            if controller is not sender_controller and controller not in self._dark:
                loop.call_soon(controller.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: Any,
        data: bytes,
    ) -> None:
        """Deliver data to the other end of a connection, if both are in range."""
        receiver = self.find_le_controller(destination_address)
        if sender_controller not in self._dark and receiver not in self._dark:
            super().send_acl_data(sender_controller, destination_address, transport, data)

    def send_ll_control_pdu(self, sender_address: hci.Address, receiver_address: hci.Address, packet: Any) -> None:
        """Deliver a control packet, unless one end is gone or out of range."""
        ends = self.find_le_controller(sender_address), self.find_le_controller(receiver_address)
        if None not in ends and self._dark.isdisjoint(ends):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)


class SimController(Controller):
    """Bumble's virtual controller, with scan responses and a connection attempt that can be given up."""

    le_acl_data_packet_length = ACL_BYTES

    def on_hci_le_create_connection_cancel_command(self, _command: Any) -> Any:
        """Forget the pending connection and say so (Bumble's own leaves it pending for ever)."""
        pending: Any = self.pending_le_connection
        self.pending_le_connection: Any = None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        complete = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, complete)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_advertising_pdu(self, pdu: Any) -> None:
        """Report an advertisement and its scan response (Bumble's own repeats the advertising data instead)."""
        if self.le_scan_enable:
            advertiser = self.link.find_le_controller(pdu.advertiser_address)
            for event_type, data in ((_ADV_IND, bytes(pdu.data)), (_SCAN_RSP, _scan_response(advertiser))):
                self.send_hci_packet(_REPORT([_report(pdu.advertiser_address, event_type=event_type, data=data)]))
        pending = self.pending_le_connection
        if pending and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def unplug(self) -> None:
        """Vanish from the air as an adapter whose machine died: every peer sees its link time out."""
        if self not in self.link.controllers:
            return
        self.host = None
        self.le_scan_enable = False
        self.pending_le_connection = None
        for advertiser in (self.le_legacy_advertiser, *self.advertising_sets.values()):
            advertiser.stop()
        for connection in list(self.le_connections.values()):
            peer = self.link.find_le_controller(connection.peer_address)
            peer_connection = peer.le_connections.get(connection.self_address) if peer else None
            if peer_connection:
                peer.on_le_disconnected(peer_connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
        self.le_connections.clear()
        self.link.remove_controller(self)


def _scan_response(advertiser: Controller | None) -> bytes:
    if advertiser is None:
        return b""
    sets = advertiser.advertising_sets.values()
    return next((bytes(s.scan_response_data) for s in sets), bytes(advertiser.le_legacy_advertiser.scan_response_data))


def _report(address: hci.Address, *, event_type: int, data: bytes) -> Any:
    return _REPORT.Report(
        event_type=_REPORT.EventType(event_type),
        address_type=address.address_type,
        address=address,
        primary_phy=hci.Phy.LE_1M,
        secondary_phy=0,
        advertising_sid=0xFF,
        tx_power=127,
        rssi=RSSI_DBM,
        periodic_advertising_interval=0,
        direct_address_type=0,
        direct_address=hci.Address.ANY,
        data=data,
    )
