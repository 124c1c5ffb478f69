"""Streams of three sensors with their next events."""

import secrets

from becalm_protocol.events import Clock, RawEvent, RrBlock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import (
    Data,
)
from becalm_protocol.units import NS_PER_S


class SensorSet:
    """Streams of a strap, a belt and a skin-conductance sensor with their next events."""

    def __init__(self) -> None:
        self.ecg = _stream(SignalKind.ECG, "uV", 1.0, 130.0)
        self.rr = _stream(SignalKind.RR, "1/1024 s", 1.0, None)
        self.belt = _stream(SignalKind.RESPIRATION, "N", 0.01, 10.0)
        self.streams = (self.ecg, self.rr, self.belt)
        self.last: dict[str, int] = dict.fromkeys((info.stream_id for info in self.streams), 0)
        self.sent: list[Data] = []

    def second(self, n: int) -> list[Data]:
        """All events of session second `n`, in the order a real agent would send them."""
        received_ns = (n + 1) * NS_PER_S
        ecg = tuple((17 * idx) % 801 - 400 for idx in range(n * 130, (n + 1) * 130))
        belt = tuple(700 + (idx % 40) for idx in range(n * 10, (n + 1) * 10))
        return [
            self.data(SampleBlock(stream_id=self.ecg.stream_id, received_ns=received_ns, first_sample_idx=n * 130,
                                  sensor_ns=received_ns - 7, counts=ecg)),
            self.data(RrBlock(stream_id=self.rr.stream_id, received_ns=received_ns, rr_1024=(900 + n,),
                              heart_rate_bpm=66, in_contact=True)),
            self.data(SampleBlock(stream_id=self.belt.stream_id, received_ns=received_ns, first_sample_idx=n * 10,
                                  counts=belt)),
        ]  # fmt: skip

    def data(self, event: RawEvent) -> Data:
        self.last[event.stream_id] += 1
        data = Data(seq=self.last[event.stream_id], event=event)
        self.sent.append(data)
        return data


def _stream(kind: SignalKind, unit: str, unit_per_count: float, sample_rate_hz: float | None) -> StreamInfo:
    return StreamInfo(
        stream_id=secrets.token_hex(16),
        kind=kind,
        unit=unit,
        unit_per_count=unit_per_count,
        sample_rate_hz=sample_rate_hz,
        clock=Clock.ARRIVAL,
        device="Sensor of tests",
    )
