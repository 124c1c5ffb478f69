"""The only importer of pylsl: streams of a laboratory network, their samples, and their clocks. Every call may wait."""

import ctypes
import time
from collections.abc import Sequence
from typing import Any

from becalm_ingest.formats.choosing import Found
from becalm_protocol.errors import ConfigError, LinkError
from becalm_protocol.events import value

_OPEN_WITHIN_S = 5.0
_OFFSET_WITHIN_S = 3.0
# Samples that come one by one are taken together for this long: 25 times a second is often enough, at half the work.
_GATHER_S = 0.04
# A chunk of 1,024 samples is a second at 1 kHz.
_MAX_SAMPLES = 1_024
_BUFFER_S = 60
# Clock offsets are measured in the background every 5 s.
_OFFSET_EVERY_S = 1.0
_NUMBERS = frozenset({1, 2, 4, 5, 6})
"""Channel formats float32, double64, int32, int16, int8; the others are text and 64-bit counters."""
_INTEGERS = frozenset({4, 5, 6})


@value
class LslSighting:
    """A stream on the network."""

    name: str
    kind: str
    """What its maker calls its type."""
    host: str
    source_id: str
    sample_rate_hz: float | None
    """None: values at odd times."""
    uid: str
    """Another one whenever the stream is started."""
    info: Any
    """pylsl's own description, to connect with."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same when the stream comes back."""
        return self.name, self.kind, self.host, self.source_id


@value
class LslChunk:
    """Samples as they came, with their time on this machine's LSL clock."""

    stamps_s: tuple[float, ...]
    rows: tuple[Sequence[float], ...]
    clock_error_s: float
    """The offset between the two computers' clocks is known to this."""


class LslNetwork:
    """Watches the network for streams; the library does it in the background."""

    def __init__(self) -> None:
        pylsl = _library()
        self._resolver = pylsl.ContinuousResolver(forget_after=3.0)

    def streams(self) -> tuple[LslSighting, ...]:
        """Return the streams of numbers seen lately, the newest last: one that came back is there twice for a while."""
        found = [info for info in self._resolver.results() if info.channel_format() in _NUMBERS]
        return tuple(_sighting(info) for info in sorted(found, key=lambda info: info.created_at()))


class LslInlet:
    """A connection with one stream. It is closed when the last reference to it goes: no thread may still wait in it."""

    def __init__(self, sighting: LslSighting) -> None:
        """Raises LinkError."""
        self._pylsl = _library()
        self._name = sighting.name
        make = self._pylsl.StreamInlet
        self._inlet = self._asked(lambda: make(sighting.info, max_buflen=_BUFFER_S, recover=False))
        self._offset_s, self._error_s, self._asked_s = 0.0, 0.0, 0.0

    def describe(self) -> tuple[Found, ...]:
        """Return its channels. Raises LinkError."""
        info = self._asked(lambda: self._inlet.info(timeout=_OPEN_WITHIN_S))
        is_integer, rate_hz = info.channel_format() in _INTEGERS, info.nominal_srate() or None
        n_channels = info.channel_count()
        channel, found = info.desc().child("channels").child("channel"), []
        for idx in range(n_channels):
            is_alone = n_channels == 1
            found.append(
                Found(
                    label=channel.child_value("label") or (info.name() if is_alone else f"{info.name()} {idx + 1}"),
                    unit=channel.child_value("unit"),
                    sample_rate_hz=rate_hz,
                    unit_per_count=1.0 if is_integer else None,
                    more=(channel.child_value("type"), *((info.type(), info.name()) if is_alone else ())),
                )
            )
            channel = channel.next_sibling("channel")
        return tuple(found)

    def open(self) -> None:
        """Subscribe, and learn the clock offset. Raises LinkError."""
        self._asked(lambda: self._inlet.open_stream(timeout=_OPEN_WITHIN_S))
        self._asked(self._learn_offset)

    def pull(self, *, within_s: float) -> LslChunk | None:
        """Wait for samples; None where none came. Raises LinkError where the stream is gone."""
        chunk: LslChunk | None = self._asked(lambda: self._pull(within_s=within_s))
        return chunk

    def _pull(self, *, within_s: float) -> LslChunk | None:
        rows, stamps = self._inlet.pull_chunk(timeout=within_s, max_samples=_MAX_SAMPLES, min_samples=1)
        if not stamps:
            return None
        if len(stamps) < _MAX_SAMPLES:
            time.sleep(_GATHER_S)
            more_rows, more_stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=_MAX_SAMPLES - len(stamps))
            rows, stamps = [*rows, *more_rows], [*stamps, *more_stamps]
        if time.monotonic() - self._asked_s > _OFFSET_EVERY_S:
            self._learn_offset()
        own_stamps_s = tuple(stamp_s + self._offset_s for stamp_s in stamps)
        return LslChunk(stamps_s=own_stamps_s, rows=tuple(rows), clock_error_s=self._error_s)

    def _learn_offset(self) -> None:
        """The library also knows how sure it is: half the round trip of its quickest question."""
        from pylsl.lib import lib  # type: ignore[import-untyped, import-not-found, unused-ignore]

        ask = lib.lsl_time_correction_ex
        ask.restype = ctypes.c_double
        remote_s, error_s, code = ctypes.c_double(), ctypes.c_double(), ctypes.c_int()
        offset_s = ask(
            self._inlet.obj, ctypes.byref(remote_s), ctypes.byref(error_s), ctypes.c_double(_OFFSET_WITHIN_S),
            ctypes.byref(code),
        )  # fmt: skip
        self._pylsl.util.handle_error(code)
        self._offset_s, self._error_s, self._asked_s = offset_s, error_s.value, time.monotonic()

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except RuntimeError as exc:  # the base of all that the library raises
            raise LinkError(
                f"The LSL stream {self._name} is gone ({type(exc).__name__})", advice="Start it again at its sender"
            ) from exc


def clock_s() -> float:
    """Return this machine's LSL clock."""
    return float(_library().local_clock())


def look(*, within_s: float) -> tuple[LslSighting, ...]:
    """Return the streams on the network. Raises ConfigError where the library is missing."""
    network = LslNetwork()
    time.sleep(within_s)
    return network.streams()


def _sighting(info: Any) -> LslSighting:
    def plain(text: str) -> str:
        return "".join(filter(str.isprintable, text))[:40]

    return LslSighting(
        name=plain(info.name()) or "stream",
        kind=plain(info.type()),
        host=plain(info.hostname()),
        source_id=info.source_id(),
        sample_rate_hz=info.nominal_srate() or None,
        uid=info.uid(),
        info=info,
    )


def _library() -> Any:
    try:
        import pylsl  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ModuleNotFoundError as exc:
        raise ConfigError(
            "expected the library pylsl for lsl, got none; install becalm[lsl]", setting="--device"
        ) from exc
    except (
        RuntimeError,
        OSError,
    ) as exc:  # the package without its library, as on systems that its wheel does not serve
        raise ConfigError("expected liblsl for this system, got none; install it", setting="--device") from exc
    return pylsl
