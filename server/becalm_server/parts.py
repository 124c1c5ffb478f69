"""The parts of a running server, as its edges reach them."""

from dataclasses import dataclass

from becalm_server.access.desk import Access
from becalm_server.archive.store import Archive
from becalm_server.device_register import DeviceRegister
from becalm_server.hub import Hub
from becalm_server.lanes import Lanes
from becalm_server.sessions import Sessions
from becalm_server.settings import ServerSettings
from becalm_server.slow_lane import SlowLane


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What app.state.parts holds."""

    settings: ServerSettings
    address: str
    """Under which others reach this server."""
    access: Access
    archive: Archive
    hub: Hub
    sessions: Sessions
    lanes: Lanes
    slow_lane: SlowLane
    devices: DeviceRegister
