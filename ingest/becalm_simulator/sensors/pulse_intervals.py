"""Pulse-to-pulse intervals of an optical sensor: the first after a long look, then a handful at a time, with doubts."""

import struct
from itertools import pairwise

import numpy as np

from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import NS_PER_MS, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import EpisodeKind, Script
from becalm_simulator.gatt import ATT_HEADER_BYTES, Outgoing
from becalm_simulator.heart import HeartBeat
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.polar_control import PPI
from becalm_simulator.sensors.polar_stream import HEADER_BYTES, PMD_DATA

FIRST_AFTER_NS = ns_from_s(25.0)
THEN_EVERY_NS = ns_from_s(5.0)
# A pulse has no sharp R wave: its foot is found within some milliseconds, worse while the arm moves.
JITTER_MS = 6.0
MOVING_JITTER_MS = 60.0
MOVING = 0.2
PULSE_LATENCY_NS = ns_from_s(1.5)
_SAMPLE = struct.Struct("<BHHB")
_FORM = 0
_BLOCKED, _IN_CONTACT, _CONTACT_TOLD = 1, 2, 4


@value
class _Pulse:
    t_ms: float
    doubt_ms: float
    is_blocked: bool


class PulseIntervals:
    """The measurement while it runs."""

    def __init__(self, body: Body, clock: DeviceClock, *, is_stamped: bool, tag: int) -> None:
        self._body = body
        self._clock = clock
        self._is_stamped = is_stamped
        """Older firmware gives 0 for every stamp."""
        self._rng = np.random.default_rng(np.random.SeedSequence([body.seed, tag]))
        self._due_ns = 0
        self._n_seen = 0
        self._last: _Pulse | None = None

    def begin(self, now_ns: int) -> None:
        """Look at the pulses of beats from now on."""
        self._body.until(now_ns)
        self._n_seen, self._last = self._body.n_beats(now_ns), None
        self._due_ns = self._later(now_ns, by_ns=FIRST_AFTER_NS)

    def due_ns(self) -> int:
        """Return when the next intervals are due."""
        return self._due_ns

    def take(self, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return the intervals that are due, in as many frames as they need; none where no pulse came."""
        now_ns, self._due_ns = self._due_ns, self._later(self._due_ns, by_ns=THEN_EVERY_NS)
        self._body.until(now_ns)
        n_certain = self._body.n_beats(now_ns - PULSE_LATENCY_NS)
        script = Script(self._body.episodes())
        beats = self._body.beats_from(self._n_seen, n_most=n_certain - self._n_seen)
        self._n_seen = max(self._n_seen, n_certain)
        pulses = [*([self._last] if self._last else []), *(self._find(beat, script) for beat in beats)]
        self._last = pulses[-1] if pulses else None
        samples = [_sample(before, after) for before, after in pairwise(pulses)]
        stamp_ns = self._clock.shown_ns(now_ns) if self._is_stamped else 0
        n_fitting = max((mtu - ATT_HEADER_BYTES - HEADER_BYTES) // _SAMPLE.size, 1)
        return tuple(
            # Frames of one moment must not look like one frame that came twice.
            _frame(samples[start : start + n_fitting], stamp_ns=stamp_ns and stamp_ns + start)
            for start in range(0, len(samples), n_fitting)
        )

    def _find(self, beat: HeartBeat, script: Script) -> _Pulse:
        moving = script.amount(EpisodeKind.MOVING, beat.t_ns)
        doubt_ms = JITTER_MS + MOVING_JITTER_MS * moving
        t_ms = self._clock.running_ns(beat.t_ns) / NS_PER_MS + doubt_ms * float(self._rng.standard_normal())
        return _Pulse(t_ms=t_ms, doubt_ms=doubt_ms, is_blocked=moving > MOVING)

    def _later(self, t_ns: int, *, by_ns: int) -> int:
        return self._clock.body_ns(self._clock.running_ns(t_ns) + by_ns)


def _sample(before: _Pulse, after: _Pulse) -> bytes:
    interval_ms = min(max(round(after.t_ms) - round(before.t_ms), 1), 0xFFFF)
    flags = _IN_CONTACT | _CONTACT_TOLD | (_BLOCKED if before.is_blocked or after.is_blocked else 0)
    bpm = min(round(60_000 / interval_ms), 0xFF)
    return _SAMPLE.pack(bpm, interval_ms, round(before.doubt_ms + after.doubt_ms), flags)


def _frame(samples: list[bytes], *, stamp_ns: int) -> Outgoing:
    data = struct.pack("<BQB", PPI, stamp_ns, _FORM) + b"".join(samples)
    return Outgoing(uuid=PMD_DATA, data=data, kind=SignalKind.PPI, n_sent=len(samples))
