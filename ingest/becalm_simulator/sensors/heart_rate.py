"""The Heart Rate Service of a sensor: a rate every second, and RR intervals in the manner of its maker."""

import struct
from itertools import pairwise

from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import NS_PER_S, RR_TICKS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import EpisodeKind, Script
from becalm_simulator.gatt import ATT_HEADER_BYTES, CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock

HEART_RATE_SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"
HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
BODY_LOCATION = "00002a38-0000-1000-8000-00805f9b34fb"
CONTROL_POINT = "00002a39-0000-1000-8000-00805f9b34fb"

# A beat is certain about a second after its R wave; the next notification of the second carries it, 1 to 2 s late.
BEAT_LATENCY_NS = ns_from_s(1.0)
N_AVERAGED_RR = 5
_WIDE, _CONTACT, _CONTACT_TOLD, _ENERGY, _RR = 0x01, 0x02, 0x04, 0x08, 0x10
_RESET_ENERGY = 0x01
# Sitting takes about 5 kJ a minute; the field counts them up to its largest number and stays there.
_KJ_PER_S = 5 / 60


@value
class Manner:
    """How a maker fills the notification."""

    rr_every_s: int | None = 1
    """Intervals come with every n-th notification; None: never."""
    is_wide: bool = False
    """The rate takes 16 bits though 8 would do."""
    tells_contact: bool = False
    tells_energy: bool = False
    rate_every_s: int = 1
    """The rate is worked out anew every n-th second."""


class HeartRate:
    """The service while somebody listens, or not."""

    def __init__(self, body: Body, clock: DeviceClock, *, manner: Manner) -> None:
        self.is_wanted = False
        self.manner = manner
        self._body = body
        self._clock = clock
        self._next_second = 0
        self._n_told = 0
        self._recent_rr: list[int] = []
        self._bpm = 0
        self._energy_since_ns = 0

    def service(self) -> ServiceSpec:
        """Return it as a peer discovers it."""
        specs = [
            CharacteristicSpec(uuid=HEART_RATE, properties=Property.NOTIFY),
            CharacteristicSpec(uuid=BODY_LOCATION, properties=Property.READ),
        ]
        if self.manner.tells_energy:
            specs.append(CharacteristicSpec(uuid=CONTROL_POINT, properties=Property.WRITE))
        return ServiceSpec(uuid=HEART_RATE_SERVICE, characteristics=tuple(specs))

    def want(self, *, wanted: bool, now_ns: int) -> None:
        """Begin or end the notifications."""
        self.is_wanted = wanted
        self._next_second = self._clock.running_ns(now_ns) // NS_PER_S + 1
        self._n_told = self._n_certain(now_ns)
        self._recent_rr.clear()
        self._bpm = 0

    def reset_energy(self, data: bytes, *, now_ns: int) -> None:
        """Obey the control point, which knows one command."""
        if data == bytes((_RESET_ENERGY,)):
            self._energy_since_ns = now_ns

    def due_ns(self) -> int | None:
        """Return when the next notification is due."""
        return self._clock.body_ns(self._next_second * NS_PER_S) if self.is_wanted else None

    def take(self, *, mtu: int) -> Outgoing:
        """Return the notification that is due."""
        now_ns, second = self._clock.body_ns(self._next_second * NS_PER_S), self._next_second
        self._next_second += 1
        rr_every_s = self.manner.rr_every_s or 1
        head_bytes = 2 + self.manner.is_wide + 2 * self.manner.tells_energy
        # What does not fit waits for the next time.
        n_fitting = (mtu - ATT_HEADER_BYTES - head_bytes) // 2
        rr_1024 = self._intervals(now_ns, n_most=n_fitting) if second % rr_every_s == 0 else []
        self._recent_rr = (self._recent_rr + rr_1024)[-N_AVERAGED_RR:]
        if self._recent_rr and (second % self.manner.rate_every_s == 0 or not self._bpm):
            self._bpm = round(60 * RR_TICKS_PER_S * len(self._recent_rr) / sum(self._recent_rr))
        told = rr_1024 if self.manner.rr_every_s else []
        data = self._pack(told, now_ns=now_ns)
        return Outgoing(uuid=HEART_RATE, data=data, kind=SignalKind.RR, n_sent=len(told))

    def _pack(self, rr_1024: list[int], *, now_ns: int) -> bytes:
        manner = self.manner
        flags = (_RR if rr_1024 else 0) | (_WIDE if manner.is_wide else 0)
        body = struct.pack("<H", self._bpm) if manner.is_wide else bytes((min(self._bpm, 0xFF),))
        if manner.tells_contact:
            is_off = Script(self._body.episodes()).amount(EpisodeKind.OFF_BODY, now_ns) > 0.5
            flags |= _CONTACT_TOLD | (0 if is_off else _CONTACT)
        if manner.tells_energy:
            flags |= _ENERGY
            energy_kj = round((now_ns - self._energy_since_ns) / NS_PER_S * _KJ_PER_S)
            body += struct.pack("<H", min(energy_kj, 0xFFFF))
        return bytes((flags,)) + body + struct.pack(f"<{len(rr_1024)}H", *rr_1024)

    def _intervals(self, now_ns: int, *, n_most: int) -> list[int]:
        first = max(self._n_told, 1)
        last = min(self._n_certain(now_ns), first + n_most)
        ticks = [self._ticks(beat.t_ns) for beat in self._body.beats_from(first - 1, n_most=last - first + 1)]
        self._n_told = max(self._n_told, last)
        return [min(b - a, 0xFFFF) for a, b in pairwise(ticks)]

    def _n_certain(self, now_ns: int) -> int:
        """Beats that the sensor is sure of at `now_ns`."""
        self._body.until(now_ns)
        return self._body.n_beats(now_ns - BEAT_LATENCY_NS)

    def _ticks(self, t_ns: int) -> int:
        """Time of a beat in the sensor's 1/1024 s; intervals between such times add up without drift."""
        return round(self._clock.running_ns(t_ns) * RR_TICKS_PER_S / NS_PER_S)
