"""Live values as Open Sound Control 1.0 messages over UDP; docs/outlets.md lists the addresses."""

import socket
from collections.abc import Iterator
from typing import Any

from becalm_client.feed import Told
from becalm_client.link import LinkChange
from becalm_protocol.derived import Beat, Breath, BreathTurn, Metrics, SignalQuality, SkinResponse
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import Gap
from becalm_protocol.handshake import Live, SessionView, Waveform
from becalm_protocol.live import Ages
from becalm_protocol.units import s_from_ns

try:
    from pythonosc.osc_message_builder import OscMessageBuilder
except ModuleNotFoundError:  # of the extra `osc`
    OscMessageBuilder = None  # type: ignore[assignment, misc]

# A datagram of 256 numbers is 1.3 kB: one Ethernet frame, which is lost or comes whole.
MAX_VALUES = 256
Message = tuple[str, list[Any]]


class OscOutlet:
    """Give it what a feed tells; nobody is waited for, and who does not listen misses it."""

    def __init__(self, *, host: str, port: int, prefix: str = "/becalm") -> None:
        """Raises ConfigError without the library, for a prefix that is none, and for a host that has no address."""
        if OscMessageBuilder is None:
            raise ConfigError("expected python-osc; install it with: pip install becalm[osc]", setting="outlet osc")
        if not prefix.startswith("/") or any(character in prefix for character in " #*,?[]{}") or prefix.endswith("/"):
            raise ConfigError(f"expected a path like /becalm, got {prefix!r:.80}", setting="--prefix")
        try:
            family, kind, proto, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as exc:
            raise ConfigError(f"expected HOST:PORT, got {host}:{port} ({exc.strerror})", setting="--to") from exc
        self._target: Any = target
        self._socket = socket.socket(family, kind, proto)
        self._socket.setblocking(False)
        self._prefix = prefix
        self._kinds: dict[str, str] = {}
        self.n_sent = 0
        self.n_refused = 0
        """Messages that the system would not take; nobody listening is one of its reasons."""

    def take(self, told: Told) -> None:
        """Send what a message says, where it has an address."""
        if isinstance(told, SessionView):
            self._kinds |= {info.stream_id: info.kind.value for info in told.streams}
        for address, arguments in self._messages(told):
            self._send(address, arguments)

    def close(self) -> None:
        """Send no more."""
        self._socket.close()

    def _messages(self, told: Told) -> Iterator[Message]:
        match told:
            case LinkChange(link=link):
                yield "/link", [link.value]
            case SessionView(session_id=session_id, phase=phase):
                yield "/session", [session_id, phase.value]
            case Ages(clock_ns=int(clock_ns)):
                ages = {self._kinds.get(key, key): t_ns for key, t_ns in (told.streams | told.events).items()}
                for name, t_ns in ages.items():
                    yield f"/age/{name}", [s_from_ns(max(0, clock_ns - t_ns))]  # a fast replay outruns the clock
            case Live(event=Waveform() as wave):
                yield from _waveform(wave)
            case Live(event=Metrics() as metrics):
                yield from _metrics(metrics)
            case Live(event=event):
                yield from self._event(event)

    def _event(self, event: object) -> Iterator[Message]:
        match event:
            case Beat():
                rr_ms = 0.0 if event.rr_corrected_ms is None else event.rr_corrected_ms
                yield (
                    "/beat",
                    [event.source.value, s_from_ns(event.t_ns), rr_ms, int(event.confirmed), event.flag.value],
                )
            case BreathTurn():
                yield "/breath_turn", [event.phase.value, s_from_ns(event.t_ns)]
            case Breath():
                yield "/breath", [s_from_ns(event.t_ns), event.breathing_rate_bpm, event.depth]
            case SkinResponse():
                yield "/skin_response", [s_from_ns(event.onset_ns), s_from_ns(event.peak_ns), event.amplitude_us]
            case SignalQuality():
                yield f"/quality/{event.kind.value}", ["usable" if event.reason is None else event.reason.value]
            case Gap():
                name = self._kinds.get(event.stream_id, event.stream_id)
                yield f"/gap/{name}", [s_from_ns(event.start_ns), s_from_ns(event.end_ns), event.reason.value]

    def _send(self, address: str, arguments: list[Any]) -> None:
        builder = OscMessageBuilder(address=self._prefix + address)
        for argument in arguments:
            builder.add_arg(argument)  # str: s, int: i, float: f
        try:
            self._socket.sendto(builder.build().dgram, self._target)
            self.n_sent += 1
        except OSError:
            self.n_refused += 1


def _waveform(wave: Waveform) -> Iterator[Message]:
    for first in range(0, len(wave.values), MAX_VALUES):
        t_s = s_from_ns(wave.t_ns + round(first * wave.sample_period_ns))
        values = wave.values[first : first + MAX_VALUES]
        yield f"/waveform/{wave.kind.value}", [t_s, wave.sample_period_ns / 1e9, *map(float, values)]


def _metrics(metrics: Metrics) -> Iterator[Message]:
    for name in Metrics.index_names():
        index = getattr(metrics, name)
        if index.value is None:
            yield f"/metrics/{name}/withheld", [index.reason.value]
        else:
            sample_ns = metrics.t_ns if index.sample_ns is None else index.sample_ns
            yield f"/metrics/{name}", [index.value, index.bound, s_from_ns(sample_ns)]
