r"""A do-it-yourself skin-conductance sensor: text lines over the Nordic UART service.

A line is `eda_us=4.2130,t_ms=12345\n`: skin conductance in uS and the sensor's own ms since its start. Which of the
service's two characteristics notifies is the maker's: Nordic and most others have it one way, the micro:bit the other.
"""

import numpy as np

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.body import Body
from becalm_simulator.gatt import ATT_HEADER_BYTES, CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock

UART_SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
UART_RX = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
UART_TX = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"

SAMPLE_RATE_HZ = 8
NOISE_US = 0.002
# The usual UART bridges hand on at most 20 bytes at a time and cut lines wherever their buffer happens to end.
MAX_PIECE_BYTES = 20
MIN_FIRST_PIECE_BYTES = 4


def _services(*, listens: str, tells: str) -> tuple[ServiceSpec, ...]:
    listening = CharacteristicSpec(uuid=listens, properties=Property.WRITE | Property.WRITE_WITHOUT_RESPONSE)
    telling = CharacteristicSpec(uuid=tells, properties=Property.NOTIFY)
    return (ServiceSpec(uuid=UART_SERVICE, characteristics=(listening, telling)),)


class SkinSensor:
    """A virtual skin-conductance sensor on a body; it talks as soon as somebody listens.

    `is_swapped`: with the roles of its two characteristics as the micro:bit has them.
    """

    def __init__(self, body: Body, *, drift_ppb: int, is_swapped: bool = False) -> None:
        self.name = "SIM-EDA 0002" if is_swapped else "SIM-EDA 0001"
        self.address = "F0:51:4D:00:06:01" if is_swapped else "F0:51:4D:00:00:03"
        self.sent = {SignalKind.SKIN_CONDUCTANCE: 0}
        self._tells = UART_RX if is_swapped else UART_TX
        self._services = _services(listens=UART_TX if is_swapped else UART_RX, tells=self._tells)
        self._body = body
        self.clock = DeviceClock(drift_ppb=drift_ppb)
        self._rng = np.random.default_rng(np.random.SeedSequence([body.seed, 5]))
        self._next_sample_idx: int | None = None

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""
        return self._services

    def read(self, uuid: str) -> bytes:
        """Return nothing: no characteristic of the sensor is readable."""
        raise KeyError(uuid)

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Begin or end the lines."""
        if uuid == self._tells:
            running_ns = self.clock.running_ns(now_ns)
            self._next_sample_idx = running_ns * SAMPLE_RATE_HZ // NS_PER_S + 1 if wanted else None

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:  # noqa: ARG002
        """Ignore what is written: the sensor has no commands."""
        return ()

    def on_disconnected(self) -> None:
        """Forget the peer."""
        self._next_sample_idx = None

    def due_ns(self) -> int | None:
        """Return when the next line is due."""
        if self._next_sample_idx is None:
            return None
        return self.clock.body_ns(self._next_sample_idx * NS_PER_S // SAMPLE_RATE_HZ)

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return the pieces of the lines due by now."""
        self._body.until(now_ns)
        outgoing: list[Outgoing] = []
        while (due_ns := self.due_ns()) is not None and due_ns <= now_ns and self._next_sample_idx is not None:
            self._next_sample_idx += 1
            outgoing += self._cut(self._line(due_ns), mtu=mtu)
        return tuple(outgoing)

    def _line(self, t_ns: int) -> bytes:
        level_us = float(self._body.conductance_us(np.asarray([t_ns], dtype=np.int64))[0])
        level_us = max(level_us + NOISE_US * float(self._rng.standard_normal()), 0.0)
        return f"eda_us={level_us:.4f},t_ms={self.clock.shown_ns(t_ns) // NS_PER_MS}\n".encode()

    def _cut(self, line: bytes, *, mtu: int) -> list[Outgoing]:
        n_most = min(mtu - ATT_HEADER_BYTES, MAX_PIECE_BYTES)
        first = int(self._rng.integers(MIN_FIRST_PIECE_BYTES, n_most + 1))
        pieces = [line[:first], *(line[i : i + n_most] for i in range(first, len(line), n_most))]
        kind = SignalKind.SKIN_CONDUCTANCE
        return [
            *(Outgoing(uuid=self._tells, data=piece) for piece in pieces[:-1]),
            Outgoing(uuid=self._tells, data=pieces[-1], kind=kind, n_sent=1),  # counted when its line is complete
        ]
