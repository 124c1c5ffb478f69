"""Bumble's virtual controller with the holes that matter filled in."""

import asyncio
from typing import Any

from bumble import hci
from bumble.controller import Controller

# Data length extension: a whole ECG frame in one link-layer packet instead of nine.
ACL_BYTES = 251
RSSI_DBM = -54
# Core 5.4, Vol 4, Part E, 7.7.65.1: the units of a connection's interval and time-out.
INTERVAL_UNIT_US = 1250
TIMEOUT_UNIT_MS = 10
_REPORT = hci.HCI_LE_Extended_Advertising_Report_Event
# Legacy PDUs inside extended reports (Core 5.4, Vol 4, Part E, 7.7.65.13): ADV_IND and the scan response to it.
_ADV_IND, _SCAN_RSP = 0x13, 0x1B


class SimController(Controller):
    """With scan responses, connection parameters, and a connection attempt that can be given up or comes too late."""

    le_acl_data_packet_length = ACL_BYTES
    interval_us: int = 0
    """Of the newest connection that it took as a peripheral: from one connection event to the next."""
    supervision_ms: int = 0
    """Of the same: silence after which the link counts as lost."""
    is_held: bool = False
    """Somebody else, who is not on this air, is connected to it: it neither advertises nor takes a connection."""

    def send_advertising_pdu(self, packet: Any) -> None:
        """Advertise, or ask for a connection, unless held."""
        if not self.is_held:
            super().send_advertising_pdu(packet)

    def on_le_connect_ind(self, packet: Any) -> None:
        """Take a connection and its parameters; one who comes too late learns that none was established."""
        n_before = len(self.le_connections)
        if not self.is_held:
            super().on_le_connect_ind(packet)
        if len(self.le_connections) > n_before:
            self.interval_us = packet.interval * INTERVAL_UNIT_US
            self.supervision_ms = packet.timeout * TIMEOUT_UNIT_MS
        elif packet.advertiser_address == self.random_address:
            initiator = self.link.find_le_controller(packet.initiator_address)
            connection = initiator.le_connections.get(packet.advertiser_address) if initiator else None
            if initiator is not None and connection is not None and initiator is not self:
                initiator.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR)

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
            peer, peer_connection = self.link.other_end(connection)
            if peer is not None:
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
