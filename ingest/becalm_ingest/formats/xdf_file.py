"""XDF, LabRecorder's format: streams on one clock by their own clock offsets. Needs pyxdf, of the extra `formats`."""

import logging
import math
import struct
import warnings
from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Any

from becalm_ingest.formats.choosing import Chosen, Found
from becalm_ingest.formats.sampled import Frame, Piece
from becalm_ingest.formats.stamps import Even, even
from becalm_ingest.formats.strip import INVALID
from becalm_protocol import limits
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Dropped, RawEvent, RrBlock, SignalKind, value
from becalm_protocol.units import NS_PER_S, RR_TICKS_PER_S

_PIECE_S = 1.0
# Jitter below this is that of any stamp; above it the person should know that it was smoothed.
_TOLD_JITTER_S = 0.002
_TOLD_OFFSET_S = 0.001


@value
class _Stream:
    """One stream of numbers."""

    name: str
    samples: Any
    """Array of shape (n_samples, n_channels)."""
    stamps_s: list[float]
    even: Even | None
    """None: values at odd times."""


class XdfFile:
    """An XDF file, read whole: its clock offsets may stand anywhere in it."""

    def __init__(self, path: Path) -> None:
        self.problem: str | None = None
        self._path = path
        found, self._places, notes = [], [], []
        for told in _load(path):
            stream = _stream(told)
            if stream is None:
                continue
            for idx, one in enumerate(_found(told, stream)):
                found.append(one)
                self._places.append((stream, idx))
            notes += _notes(told, stream)
        self.found = tuple(found)
        self.warnings = tuple(notes)

    def frames(self, chosen: Sequence[Chosen]) -> Iterator[Frame]:
        """Give the samples second by second; time 0 is the earliest stamp of the signals chosen."""
        streams = [self._places[one.idx][0] for one in chosen]
        began_s = min(map(_began_s, streams))
        if max(max(stream.stamps_s) for stream in streams) - began_s > limits.MAX_SESSION_NS / NS_PER_S:
            raise RecordingError(
                "expected time stamps within 100 days, got later ones; record the file again", path=str(self._path)
            )
        sources = [self._signal(one, n, began_s=began_s) for n, one in enumerate(chosen)]
        yield from merge(*sources, key=lambda frame: frame.end_ns)

    def _signal(self, one: Chosen, n: int, *, began_s: float) -> Iterator[Frame]:
        stream, channel = self._places[one.idx]
        column = stream.samples[:, channel].tolist()
        if stream.even is None:
            for stamp_s, number in sorted(zip(stream.stamps_s, column, strict=True), key=_stamp_s):
                beat_ns = round((stamp_s - began_s) * NS_PER_S)
                yield Frame(end_ns=beat_ns, events=(_beat(number * one.factor, t_ns=beat_ns, chosen=one),))
            return
        period_ns, n_piece = stream.even.period_s * NS_PER_S, max(1, round(_PIECE_S / stream.even.period_s))
        for stretch in sorted(stream.even.stretches, key=lambda stretch: stretch.t_s):  # a clock may have been set back
            t_ns = (stretch.t_s - began_s) * NS_PER_S
            for start in range(stretch.start, stretch.end, n_piece):
                counts = _counts(column[start : min(start + n_piece, stretch.end)], one)
                at_ns = t_ns + (start - stretch.start) * period_ns
                piece = Piece(signal=n, counts=counts, t_ns=t_ns if start == stretch.start else None)
                yield Frame(end_ns=at_ns, pieces=(piece,))


def _load(path: Path) -> list[Any]:
    try:
        import pyxdf  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ModuleNotFoundError as exc:
        raise RecordingError(
            "expected the library pyxdf for XDF files, got none; install becalm[formats]", path=str(path)
        ) from exc
    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)  # what it finds is told below, in our words
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of arithmetic on damaged stamps, which are judged here
            streams, _ = pyxdf.load_xdf(str(path), synchronize_clocks=True, dejitter_timestamps=False)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError, EOFError) as exc:
        raise RecordingError(
            f"expected XDF streams, got something else ({type(exc).__name__}); record the file again", path=str(path)
        ) from exc
    except (struct.error, MemoryError) as exc:
        raise RecordingError("expected whole XDF streams, got a damaged file; copy it again", path=str(path)) from exc
    return list(streams)


def _stream(told: Any) -> _Stream | None:
    """Return a stream of numbers; markers and empty streams are left aside."""
    stamps_s = [float(stamp_s) for stamp_s in told["time_stamps"]]
    if not hasattr(told["time_series"], "shape") or not stamps_s or not all(map(math.isfinite, stamps_s)):
        return None
    nominal_hz = float(_text(told["info"], "nominal_srate") or 0)
    is_even = nominal_hz > 0 and len(stamps_s) > 1
    return _Stream(
        name=_text(told["info"], "name") or "stream",
        samples=told["time_series"],
        stamps_s=stamps_s,
        even=even(stamps_s, nominal_hz=nominal_hz) if is_even else None,
    )


def _found(told: Any, stream: _Stream) -> Iterator[Found]:
    channels = _channels(told["info"])
    n_channels = stream.samples.shape[1]
    is_integer = stream.samples.dtype.kind in "iu"
    for idx in range(n_channels):
        channel = channels[idx] if idx < len(channels) else {}
        own_name = stream.name if n_channels == 1 else f"{stream.name} {idx + 1}"
        more = [_text(channel, "type"), *([_text(told["info"], "type"), stream.name] if n_channels == 1 else [])]
        yield Found(
            label=_text(channel, "label") or own_name,
            unit=_text(channel, "unit"),
            sample_rate_hz=1.0 / stream.even.period_s if stream.even else None,
            unit_per_count=1.0 if is_integer else None,
            largest=0.0 if is_integer else _largest(stream.samples[:, idx].tolist()),
            more=tuple(filter(None, more)),
            device=stream.name,
        )


def _largest(numbers: list[float]) -> float:
    return max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)


def _notes(told: Any, stream: _Stream) -> list[str]:
    """Return what a person should know of the stream's clock."""
    notes = []
    if stream.even is not None and stream.even.jitter_p95_s > _TOLD_JITTER_S:
        jitter_ms = stream.even.jitter_p95_s * 1000
        notes.append(
            f"{stream.name}: its time stamps are uneven by {jitter_ms:.1f} ms (95 %), even ones stand for them"
        )
    times_s, offsets_s = list(told["clock_times"]), list(told["clock_values"])
    if not times_s:
        notes.append(f"{stream.name}: the file has no clock offsets, so its clock is taken for that of the recorder")
        return notes
    error_s = _offset_error(times_s, offsets_s)
    if error_s > _TOLD_OFFSET_S:
        notes.append(f"{stream.name}: its clock is known to {error_s * 1000:.1f} ms (95 % of the clock offsets)")
    return notes


def _offset_error(times_s: list[float], offsets_s: list[float]) -> float:
    """Return how far 95 % of the clock offsets lie from the straight line through them."""
    n = len(times_s)
    mean_t, mean_o = sum(times_s) / n, sum(offsets_s) / n
    spread = sum((t - mean_t) ** 2 for t in times_s)
    pairs = list(zip(times_s, offsets_s, strict=True))
    slope = sum((t - mean_t) * (o - mean_o) for t, o in pairs) / spread if spread else 0.0
    off = sorted(abs(o - mean_o - slope * (t - mean_t)) for t, o in pairs)
    return off[int(0.95 * (n - 1))]


def _counts(numbers: list[float], one: Chosen) -> list[int]:
    low, high, per_count = limits.MIN_COUNT, limits.MAX_COUNT, one.info.unit_per_count / one.factor
    counts = []
    for number in numbers:
        ratio = number / per_count
        counts.append(round(ratio) if low <= ratio <= high else INVALID)  # NaN fails both comparisons
    return counts


def _beat(rr_ms: float, *, t_ns: int, chosen: Chosen) -> RawEvent:
    stream_id = chosen.info.stream_id
    if not 0 < rr_ms < 0xFFFF * 1000 / RR_TICKS_PER_S:
        return Dropped(
            stream_id=stream_id, received_ns=t_ns, problem=f"{SignalKind.RR}: expected up to 63,999 ms, got {rr_ms:g}"
        )
    return RrBlock(stream_id=stream_id, received_ns=t_ns, rr_1024=(round(rr_ms * RR_TICKS_PER_S / 1000),))


def _began_s(stream: _Stream) -> float:
    return min(stretch.t_s for stretch in stream.even.stretches) if stream.even else min(stream.stamps_s)


def _stamp_s(pair: tuple[float, float]) -> float:
    return pair[0]


def _channels(info: Any) -> list[Any]:
    """Return the descriptions of the channels: each level of the XML is a list of one, or absent."""
    for key in ("desc", "channels"):
        inside = info.get(key) or [None]
        info = inside[0]
        if not isinstance(info, dict):
            return []
    return [channel for channel in info.get("channel", []) if isinstance(channel, dict)]


def _text(info: Any, key: str) -> str:
    told = info.get(key) or [None]
    return "".join(filter(str.isprintable, str(told[0] or ""))).strip()
