"""Writing a recording, playing it, and what came of it."""

from pathlib import Path

from becalm_ingest.replay import Recording, read_recording
from becalm_protocol.events import Dropped, Gap, RawEvent, SampleBlock, SignalKind


def write(folder: Path, text: str, *, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def read(path: Path, *, rate_hz: float | None = None, chunk_ms: int = 100) -> tuple[Recording, list[RawEvent]]:
    recording = read_recording(path, rate_hz=rate_hz, chunk_ms=chunk_ms)
    assert isinstance(recording, Recording)
    return recording, list(recording.events())


def of_kind(recording: Recording, events: list[RawEvent], kind: SignalKind) -> list[RawEvent]:
    (stream_id,) = [info.stream_id for info in recording.streams if info.kind is kind]
    return [event for event in events if event.stream_id == stream_id]


def counts(events: list[RawEvent]) -> list[int]:
    return [count for event in events if isinstance(event, SampleBlock) for count in event.counts]


def gaps(events: list[RawEvent]) -> list[Gap]:
    return [event for event in events if isinstance(event, Gap)]


def problems(events: list[RawEvent]) -> list[str]:
    return [event.problem for event in events if isinstance(event, Dropped)]
