r"""What a Movesense sensor can stream, by path; which streams come of it, and the commands that ask for it."""

from collections.abc import Collection

from becalm_ingest.devices.family import StreamTemplate, Write
from becalm_ingest.devices.movesense_packets import SUBSCRIBE, UNSUBSCRIBE
from becalm_protocol.events import Clock, SignalKind, value

SERVICE_UUID = "34802252-7185-4d5d-b431-630e7050e8f0"
COMMAND_UUID = "34800001-7185-4d5d-b431-630e7050e8f0"
DATA_UUID = "34800002-7185-4d5d-b431-630e7050e8f0"

# 250 Hz is where RR needs no interpolation between samples (Task Force 1996, doi:10.1161/01.CIR.93.5.1043), and a
# packet of 16 samples lasts whole milliseconds (64), as its stamps do.
ECG_RATE_HZ = 250.0
# Breathing and posture are below 1 Hz, the shake of a heartbeat ends at 20 Hz; each doubling costs battery.
MOTION_RATE_HZ = 52.0

ECG_UV_PER_COUNT = 0.381469726563
ACCELERATION_MG_PER_COUNT = 0.01
ANGULAR_VELOCITY_DPS_PER_COUNT = 0.001

ACCELERATION_KINDS = (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z)
ANGULAR_VELOCITY_KINDS = (SignalKind.ANGULAR_VELOCITY_X, SignalKind.ANGULAR_VELOCITY_Y, SignalKind.ANGULAR_VELOCITY_Z)


@value
class Resource:
    """One path to subscribe to."""

    ref: int
    """The number by which packets name it; ours to choose, not 0."""
    path: str
    kinds: tuple[SignalKind, ...]
    """The streams it fills, in the order of its arrays and axes."""
    sample_bytes: int | None
    """Bytes of one sample of all of them; None where packets have any length, and never come in parts."""


ECG = Resource(ref=1, path=f"/Meas/ECG/{ECG_RATE_HZ:g}", kinds=(SignalKind.ECG,), sample_bytes=4)
ACCELERATION = Resource(ref=2, path=f"/Meas/Acc/{MOTION_RATE_HZ:g}", kinds=ACCELERATION_KINDS, sample_bytes=12)
MOTION = Resource(
    ref=3, path=f"/Meas/IMU6/{MOTION_RATE_HZ:g}", kinds=ACCELERATION_KINDS + ANGULAR_VELOCITY_KINDS, sample_bytes=24
)
HEART_RATE = Resource(ref=4, path="/Meas/HR", kinds=(SignalKind.RR,), sample_bytes=None)
RESOURCES = (ECG, MOTION, ACCELERATION, HEART_RATE)
"""The one that gives more before the one that gives less."""

BATTERY_REF = 5
BATTERY_PATH = "/System/Energy/Level"
HELLO_REF = 9


def wanted(kinds: Collection[SignalKind]) -> tuple[Resource, ...]:
    """Return the resources that fill those streams, each stream once."""
    found: list[Resource] = []
    left = set(kinds)
    for resource in RESOURCES:
        if left.issuperset(resource.kinds):
            found.append(resource)
            left.difference_update(resource.kinds)
    return tuple(found)


def subscribe(resource: Resource) -> Write:
    """Return the command that starts a resource."""
    return command(SUBSCRIBE, ref=resource.ref, path=resource.path)


def unsubscribe(resource: Resource, *, expects_answer: bool) -> Write:
    """Return the command that stops a resource."""
    return Write(uuid=COMMAND_UUID, data=bytes((UNSUBSCRIBE, resource.ref)), expects_answer=expects_answer)


def command(code: int, *, ref: int, path: str | None = None, expects_answer: bool = True) -> Write:
    """Return a command, with its path where it has one."""
    tail = b"" if path is None else path.encode("ascii") + b"\0"
    return Write(uuid=COMMAND_UUID, data=bytes((code, ref)) + tail, expects_answer=expects_answer)


def _motion(kinds: tuple[SignalKind, ...], *, unit: str, unit_per_count: float) -> tuple[StreamTemplate, ...]:
    return tuple(
        StreamTemplate(
            kind=kind,
            unit=unit,
            unit_per_count=unit_per_count,
            sample_rate_hz=MOTION_RATE_HZ,
            clock=Clock.DEVICE,
            late_after_s=1.7,
            lost_after_s=4.0,
        )
        for kind in kinds
    )


STREAMS = (
    StreamTemplate(
        kind=SignalKind.ECG,
        unit="uV",
        unit_per_count=ECG_UV_PER_COUNT,
        sample_rate_hz=ECG_RATE_HZ,
        clock=Clock.DEVICE,
        late_after_s=1.6,
        lost_after_s=3.0,
    ),
    *_motion(ACCELERATION_KINDS, unit="mg", unit_per_count=ACCELERATION_MG_PER_COUNT),
    StreamTemplate(
        kind=SignalKind.RR,
        unit="1/1024 s",
        unit_per_count=1.0,
        sample_rate_hz=None,
        clock=Clock.ARRIVAL,
        late_after_s=5.0,  # a packet a beat, none while no beat is seen
        lost_after_s=600.0,  # off the body there are no beats; a link that is gone shows in the other streams
    ),
)
GYROSCOPE_STREAMS = _motion(ANGULAR_VELOCITY_KINDS, unit="dps", unit_per_count=ANGULAR_VELOCITY_DPS_PER_COUNT)
