"""What a tap heard and what was stored of it, made by hand."""

import struct
from collections.abc import Sequence

from becalm_cli.radio_account import (
    StoredStream,
    count_fates,
    match,
)
from becalm_cli.radio_plan import plan_wearers
from becalm_cli.radio_tap import Heard
from becalm_cli.radio_wear import Struck, WearerLog
from becalm_protocol.events import (
    Clock,
    Gap,
    GapReason,
    RawEvent,
    SampleBlock,
    SignalKind,
    StreamInfo,
)
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.sensors.belt import RESPONSE
from becalm_simulator.sensors.skin import UART_TX

BEGAN_NS = 5_000 * NS_PER_S
"""Session time 0 on the machine's clock."""


SKIN, BELT, STRAP = "F0:03", "F0:02", "F0:01"


def heard(uuid: str, data: bytes, at_s: float, *, link: int = 1, address: str = SKIN) -> Heard:
    before_ns = BEGAN_NS + ns_from_s(at_s)
    return Heard(address=address, uuid=uuid, link=link, before_ns=before_ns, after_ns=before_ns + 50_000, data=data)


def line(at_s: float, count: int) -> Heard:
    """A whole line of the skin sensor."""
    return heard(UART_TX, b"eda_us=%.4f,t_ms=%d\n" % (count / 10_000, round(1000 * at_s)), at_s)


def force(at_s: float, count: int, countdown: int, *, link: int = 1) -> Heard:
    packet = struct.pack("<BBBBBHBBf", 0x20, 13, countdown, 0, 0x06, 2, 1, 0, count / 1000)
    return heard(RESPONSE, packet, at_s, link=link, address=BELT)


def stream(kind: SignalKind, events: Sequence[RawEvent]) -> StoredStream:
    info = StreamInfo(
        stream_id=kind.value,
        kind=kind,
        unit="1",
        unit_per_count=1.0,
        sample_rate_hz=None if kind is SignalKind.RR else 8.0,
        clock=Clock.ARRIVAL,
        device={SignalKind.SKIN_CONDUCTANCE: "skin", SignalKind.RESPIRATION: "belt"}.get(kind, "strap"),
    )
    return StoredStream(info=info, events=list(events), seqs=list(range(1, len(events) + 1)))


def block(at_s: float, *counts: int, kind: SignalKind = SignalKind.SKIN_CONDUCTANCE, idx: int = 0) -> SampleBlock:
    received_ns = ns_from_s(at_s) + 10_000
    return SampleBlock(stream_id=kind.value, received_ns=received_ns, first_sample_idx=idx, counts=counts)


def gap(start_s: float, end_s: float, kind: SignalKind = SignalKind.SKIN_CONDUCTANCE) -> Gap:
    start_ns, end_ns = ns_from_s(start_s), ns_from_s(end_s)
    return Gap(stream_id=kind.value, received_ns=end_ns, start_ns=start_ns, end_ns=end_ns, reason=GapReason.LINK_LOST)


def log_of(*notifications: Heard, struck: Sequence[Struck] = (), beats_ns: Sequence[int] = ()) -> WearerLog:
    (plan,) = plan_wearers(n_faults=1, n_wearers=1, seed=1)
    return WearerLog(
        plan=plan,
        session_id="one",
        session_began_ns=BEGAN_NS,
        names={SKIN: "skin", BELT: "belt", STRAP: "strap"},
        heard=list(notifications),
        struck=list(struck),
        beats_ns=list(beats_ns),
        report={"spooled": 0, "refused": 0},
        n_left=0,
        cpu_s=1.0,
    )


def fates(log: WearerLog, *streams: StoredStream) -> dict[str, int]:
    """The fates that anything met."""
    return {fate: n for fate, n in count_fates(log, streams, match(log, streams)).items() if n}
