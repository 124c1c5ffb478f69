"""Short names of signals, each once in a file: the standard texts of EDF+ where there is one."""

from becalm_protocol.events import SignalKind, StreamInfo

# Of 16 characters that EDF has, four are kept for a number.
_MAX_CHARS = 12
_TEXTS = {
    SignalKind.ECG: "ECG",
    SignalKind.RR: "RR",
    SignalKind.PPI: "PPI",
    SignalKind.RESPIRATION: "Resp",
    SignalKind.SKIN_CONDUCTANCE: "EDA",
    SignalKind.ACCELERATION_X: "Acc X",
    SignalKind.ACCELERATION_Y: "Acc Y",
    SignalKind.ACCELERATION_Z: "Acc Z",
    SignalKind.ANGULAR_VELOCITY_X: "Gyro X",
    SignalKind.ANGULAR_VELOCITY_Y: "Gyro Y",
    SignalKind.ANGULAR_VELOCITY_Z: "Gyro Z",
}


def labels(streams: tuple[StreamInfo, ...]) -> dict[str, str]:
    """Return {stream_id: label}; the second of a kind is `ECG 2`."""
    named: dict[str, str] = {}
    n_of: dict[str, int] = {}
    for info in streams:
        text = _TEXTS.get(info.kind, info.kind.value.replace("_", " ").upper()[:_MAX_CHARS])
        n_of[text] = n_of.get(text, 0) + 1
        named[info.stream_id] = text if n_of[text] == 1 else f"{text} {n_of[text]}"
    return named
