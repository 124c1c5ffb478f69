"""What a sensor measures at a steady rate, cut into frames by its own clock."""

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import NS_PER_S
from becalm_simulator.gatt import ATT_HEADER_BYTES, Outgoing
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.polar_delta import pack_deltas

PMD_SERVICE = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
PMD_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
PMD_DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
HEADER_BYTES = 10
COMPRESSED = 0x80

Signal = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Counts at ascending body times, shape (n_samples, n_channels); not yet rounded."""


@value
class Layout:
    """How samples become frames."""

    measurement: int
    form: int
    """Frame type, with `COMPRESSED` where it is."""
    sample_bytes: int
    """Of each channel, also of the reference sample of a compressed frame."""
    n_samples: int
    """In a frame; fewer where compressed samples would not fit."""
    kinds: tuple[SignalKind, ...]

    def frame_bytes(self) -> int:
        """Return the length of a whole uncompressed frame."""
        return HEADER_BYTES + self.n_samples * self.sample_bytes * len(self.kinds)


class SampledStream:
    """One measurement while it runs."""

    def __init__(self, clock: DeviceClock, layout: Layout, *, signal: Signal, true_rate_hz: int | None = None) -> None:
        self._clock = clock
        self._layout = layout
        self._signal = signal
        self._true_rate_hz = true_rate_hz
        """Where it is not the one that the sensor tells."""
        self._rate_hz = 0
        self._next_sample_idx = 0

    def begin(self, now_ns: int, *, rate_hz: int) -> None:
        """Measure from the first sample after now."""
        self._rate_hz = self._true_rate_hz or rate_hz
        self._next_sample_idx = self._clock.running_ns(now_ns) * self._rate_hz // NS_PER_S + 1

    def due_ns(self) -> int:
        """Return when the last sample of the next frame has been taken."""
        return self._sample_body_ns(self._next_sample_idx + self._layout.n_samples - 1)

    def take(self, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return the frame that is due, in two or more where it does not fit the link."""
        indices = range(self._next_sample_idx, self._next_sample_idx + self._layout.n_samples)
        t_ns = np.asarray([self._sample_body_ns(idx) for idx in indices], dtype=np.int64)
        counts = np.rint(self._signal(t_ns)).astype(np.int64)
        self._next_sample_idx = indices.stop
        return tuple(self._frames(counts, first_sample_idx=indices.start, mtu=mtu))

    def _frames(self, counts: NDArray[np.int64], *, first_sample_idx: int, mtu: int) -> list[Outgoing]:
        layout, n_samples = self._layout, len(counts)
        last_idx = first_sample_idx + n_samples - 1
        stamp_ns = self._clock.epoch_ns + last_idx * NS_PER_S // self._rate_hz
        data = struct.pack("<BQB", layout.measurement, stamp_ns, layout.form) + self._pack(counts)
        if len(data) > mtu - ATT_HEADER_BYTES and n_samples > 1:
            half = n_samples // 2
            return [
                *self._frames(counts[:half], first_sample_idx=first_sample_idx, mtu=mtu),
                *self._frames(counts[half:], first_sample_idx=first_sample_idx + half, mtu=mtu),
            ]
        return [
            Outgoing(uuid=PMD_DATA, data=data, kind=layout.kinds[0], n_sent=n_samples, also=tuple(layout.kinds[1:]))
        ]

    def _pack(self, counts: NDArray[np.int64]) -> bytes:
        n_bytes = self._layout.sample_bytes
        if self._layout.form & COMPRESSED:
            return pack_deltas(counts, reference_bytes=n_bytes)
        return counts.astype("<i8").reshape(-1, 1).view(np.uint8)[:, :n_bytes].tobytes()

    def _sample_body_ns(self, sample_idx: int) -> int:
        return self._clock.body_ns(sample_idx * NS_PER_S // self._rate_hz)
