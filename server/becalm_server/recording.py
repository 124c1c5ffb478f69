"""A stored session as arrays in its units: what the report is made from."""

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.derived import BeatFlag
from becalm_protocol.events import RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_server.archive.store import Archive

Samples = NDArray[np.float64]
Page = list[tuple[int, int, RawEvent]]
# A report looks at the first six hours; a longer recording would not fit beside the live sessions.
MAX_REPORT_SAMPLES = 130 * 3600 * 6


class _Track:
    """The samples of one stream, by position: missing ones are NaN."""

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self._first_idx: int | None = None
        self._samples: list[Samples] = []
        self._n = 0

    def add(self, block: SampleBlock) -> None:
        first_idx = block.first_sample_idx if self._first_idx is None else self._first_idx
        self._first_idx = first_idx
        n_missing = block.first_sample_idx - first_idx - self._n
        if n_missing < 0 or self._n + n_missing + len(block.counts) > MAX_REPORT_SAMPLES:
            return
        if n_missing:
            self._samples.append(np.full(n_missing, np.nan))
        self._samples.append(np.asarray(block.counts, dtype=np.float64) * self.info.unit_per_count)
        self._n += n_missing + len(block.counts)

    def samples(self) -> Samples:
        return np.concatenate(self._samples) if self._samples else np.empty(0)


async def load_recording(archive: Archive, session_id: str) -> dict[str, Any]:
    """Return the keyword arguments of becalm_signal.neurokit_lane.session_report for a session."""
    streams = await archive.streams(session_id)
    tracks = {stream.info.stream_id: _Track(stream.info) for stream in streams if stream.info.sample_rate_hz}
    async for page in archive.raw_events(session_id):
        await asyncio.to_thread(_add, tracks, page)
    beats = await archive.derived_rows("select_session_beats", session_id=session_id)
    rr_ms = [row["rr_corrected_ms"] for row in beats if row["flag"] != BeatFlag.FIRST and row["rr_corrected_ms"]]
    return {"signals": _by_kind(tracks), "rr_ms": rr_ms}


def _add(tracks: dict[str, _Track], page: Page) -> None:
    for _, _, event in page:
        track = tracks.get(event.stream_id)
        if track is not None and isinstance(event, SampleBlock):
            track.add(event)


def _by_kind(tracks: dict[str, _Track]) -> dict[SignalKind, tuple[Samples, float]]:
    """Return the longest stream of each kind with its rate."""
    found: dict[SignalKind, tuple[Samples, float]] = {}
    for track in tracks.values():
        samples, rate_hz = track.samples(), track.info.sample_rate_hz
        if rate_hz and len(samples) > len(found.get(track.info.kind, (np.empty(0), 0.0))[0]):
            found[track.info.kind] = (samples, rate_hz)
    return found
