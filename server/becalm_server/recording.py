"""A stored session as whole signals: what the report is made from."""

import asyncio
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_server.archive.store import Archive
from becalm_server.recent_beats import USABLE
from becalm_signal.neurokit_lane import RawSignal

Samples = NDArray[np.float64]
Page = list[tuple[int, int, RawEvent]]
# A report looks at the first six hours; a longer recording would not fit beside the live sessions.
MAX_REPORT_SAMPLES = 130 * 3600 * 6


class _Track:
    """The samples of one stream, by position: missing ones are NaN."""

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self._first_idx: int | None = None
        self._counts: list[Samples] = []
        self._n = 0

    def add(self, block: SampleBlock) -> None:
        first_idx = block.first_sample_idx if self._first_idx is None else self._first_idx
        self._first_idx = first_idx
        n_missing = block.first_sample_idx - first_idx - self._n
        if n_missing < 0 or self._n + n_missing + len(block.counts) > MAX_REPORT_SAMPLES:
            return
        if n_missing:
            self._counts.append(np.full(n_missing, np.nan))
        self._counts.append(np.asarray(block.counts, dtype=np.float64))
        self._n += n_missing + len(block.counts)

    def __len__(self) -> int:
        return self._n

    def counts(self) -> Samples:
        return np.concatenate(self._counts)


async def load_recording(archive: Archive, session_id: str) -> dict[str, Any]:
    """Return the keyword arguments of becalm_signal.neurokit_lane.session_report for a session."""
    streams = await archive.streams(session_id)
    tracks = {stream.info.stream_id: _Track(stream.info) for stream in streams if stream.info.sample_rate_hz}
    async for page in archive.raw_events(session_id):
        await asyncio.to_thread(_add, tracks, page)
    beats = await archive.derived_rows("select_session_beats", session_id=session_id)
    return {"signals": _longest(tracks.values()), "rr_ms": _intervals(beats)}


def _intervals(beats: Iterable[dict[str, Any]]) -> list[float]:
    """Return the usable intervals of the source that has most: a strap's RR and its ECG tell the same beats."""
    by_source: dict[str, list[float]] = {}
    for row in beats:
        if row["flag"] in USABLE and row["rr_corrected_ms"]:
            by_source.setdefault(row["source"], []).append(row["rr_corrected_ms"])
    return max(by_source.values(), key=len, default=[])


def _add(tracks: dict[str, _Track], page: Page) -> None:
    for _, _, event in page:
        track = tracks.get(event.stream_id)
        if track is not None and isinstance(event, SampleBlock):
            track.add(event)


def _longest(tracks: Iterable[_Track]) -> list[RawSignal]:
    """Return the longest stream of each kind."""
    found: dict[SignalKind, _Track] = {}
    for track in tracks:
        if len(track) > len(found.get(track.info.kind, ())):
            found[track.info.kind] = track
    return [
        RawSignal(
            kind=kind,
            sample_rate_hz=track.info.sample_rate_hz,
            unit_per_count=track.info.unit_per_count,
            counts=track.counts(),
        )
        for kind, track in found.items()
        if track.info.sample_rate_hz
    ]
