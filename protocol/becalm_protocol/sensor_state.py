"""How an agent's sensors are, for people: told whenever something changed, in or out of a session."""

from enum import StrEnum

from becalm_protocol import limits
from becalm_protocol.events import SignalKind, StreamState, require, require_text, value

_MIN_RSSI_DBM, _MAX_RSSI_DBM = -127, 20  # Bluetooth Core 5.4, Vol 4, Part E, 7.7.65.2


class LinkState(StrEnum):
    """What the agent is doing about the connection with a sensor."""

    IDLE = "idle"
    """Known, and waiting for its turn."""
    SCANNING = "scanning"
    CONNECTING = "connecting"
    SETUP = "setup"
    """Connected; it is asked what it is, or told to stream."""
    READY = "ready"
    """Connected, and waiting for a session."""
    STREAMING = "streaming"
    LOST = "lost"
    BACK_OFF = "back_off"
    """Waiting before the next attempt."""


@value
class SensorState:
    """One sensor stream as the agent sees it, for people."""

    device: str
    kind: SignalKind
    state: StreamState
    battery_pct: int | None = None
    link: LinkState | None = None
    """The connection behind the stream; None where there is none to speak of."""
    rssi_dbm: int | None = None
    """Signal strength when it was last seen in a scan."""
    model: str | None = None
    """As the sensor's Device Information Service says, and so is `firmware`."""
    firmware: str | None = None
    trouble: str | None = None
    """What is wrong with this sensor and what to do, in one sentence; None while all is well."""

    def __post_init__(self) -> None:
        for field, text in (("model", self.model), ("firmware", self.firmware)):
            if text is not None:
                require_text(field, text)
        if self.trouble is not None:
            require_text("trouble", self.trouble, n_max=limits.MAX_NOTE_CHARS)
        dbm = self.rssi_dbm
        expected = f"{_MIN_RSSI_DBM} to {_MAX_RSSI_DBM} dBm"
        require(dbm is None or _MIN_RSSI_DBM <= dbm <= _MAX_RSSI_DBM, "rssi_dbm", expected, dbm)
