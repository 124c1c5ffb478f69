"""An hour of a strap, a belt and a skin sensor in a real archive, exported to every format: seconds, size, peak memory.

Prints one JSON object. `--minutes 60` is the default.
"""

import argparse
import asyncio
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from becalm_protocol.derived import Beat, BeatFlag, Breath, Index, Metrics, SlowMetrics
from becalm_protocol.events import Clock, RawEvent, RrBlock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import open_own_archive
from becalm_server.archive.writes import StreamMark, Write
from becalm_server.exports.catalogue import ExportFormat

# Kind, unit, unit of a count, rate, samples a packet, and what the device really does.
SENSORS = (
    (SignalKind.ECG, "uV", 1.0, 130.0, 73, 130.16),
    (SignalKind.RESPIRATION, "N", 0.01, 25.0, 1, 25.0),
    (SignalKind.SKIN_CONDUCTANCE, "uS", 0.0001, 8.0, 8, 8.0),
)
# A process inherits its parent's peak of memory; this small one stands between, and tells that of the export alone.
SHIM = """
import os, subprocess, sys
process = subprocess.Popen([sys.executable, "-m", "becalm_server.exports"])
usage = os.wait4(process.pid, 0)[2]
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, file=sys.stderr)
"""
SESSION_ID = secrets.token_hex(16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    seconds = round(parser.parse_args().minutes * 60)
    with tempfile.TemporaryDirectory(prefix="becalm-bench-") as folder:
        Path(folder).chmod(0o711)
        database = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        url = database.start()
        try:
            n_events = asyncio.run(fill(url, seconds))
            stored = {"n_samples": round(seconds * sum(one[3] for one in SENSORS)), "n_events": n_events}
            formats = {one.value: export(url, one.value) for one in ExportFormat}
            print(json.dumps({"minutes": seconds / 60, **stored, "formats": formats}, indent=1))
        finally:
            database.stop()


async def fill(url: str, seconds: int) -> int:
    streams = [stream(*one[:4]) for one in SENSORS]
    rr = stream(SignalKind.RR, "1/1024 s", 1.0, None)
    record = SessionRecord(
        session_id=SESSION_ID, source=Source.LIVE, baseline_s=60.0, started_unix_ns=time.time_ns() - seconds * NS_PER_S
    )
    events = [event for info, one in zip(streams, SENSORS, strict=True) for event in blocks(info, seconds, *one[4:])]
    events += [
        RrBlock(stream_id=rr.stream_id, received_ns=n * NS_PER_S, rr_1024=(900 + n % 50,)) for n in range(seconds)
    ]
    events.sort(key=lambda event: event.received_ns)
    seqs = dict.fromkeys((info.stream_id for info in (*streams, rr)), 0)
    async with open_own_archive(url) as archive:
        await archive.add_session(record)
        await archive.begin_session(record, streams=[*streams, rr])
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(archive.writer.run())
            for arrival_idx, event in enumerate(events):
                seqs[event.stream_id] += 1
                row = to_row(event, seq=seqs[event.stream_id], arrival_idx=arrival_idx)
                mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
                await archive.writer.wait_room()
                archive.writer.put_nowait(write(raw=row, marks=(mark,)))
                await asyncio.sleep(0)
            for conclusion in conclusions(seconds):
                await archive.writer.wait_room()
                archive.writer.put_nowait(write(conclusions=(conclusion,)))
                await asyncio.sleep(0)
            await archive.writer.wait_drained()
            writing.cancel()
        await archive.end_session(SESSION_ID, duration_ns=seconds * NS_PER_S)
    return len(events)


def stream(kind: SignalKind, unit: str, unit_per_count: float, rate_hz: float | None) -> StreamInfo:
    return StreamInfo(
        stream_id=secrets.token_hex(16), kind=kind, unit=unit, unit_per_count=unit_per_count, sample_rate_hz=rate_hz,
        clock=Clock.ARRIVAL, device="bench",
    )  # fmt: skip


def blocks(info: StreamInfo, seconds: int, n_a_packet: int, true_hz: float) -> Iterator[RawEvent]:
    for start in range(0, round(seconds * true_hz) - n_a_packet + 1, n_a_packet):
        counts = tuple((17 * idx) % 2_001 - 1_000 for idx in range(start, start + n_a_packet))
        received_ns = round((start + n_a_packet) * NS_PER_S / true_hz)
        yield SampleBlock(stream_id=info.stream_id, received_ns=received_ns, first_sample_idx=start, counts=counts)


def conclusions(seconds: int) -> Iterator[Any]:
    told = Index(value=61.5, bound=1.25, sample_ns=NS_PER_S)
    for n in range(round(seconds / 0.9)):
        t_ns = round(n * 0.9 * NS_PER_S)
        yield Beat(
            beat_idx=n, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.ECG, rr_ms=900.0, rr_corrected_ms=900.0,
            flag=BeatFlag.OK, confirmed=True, t_error_ms=2.0,
        )  # fmt: skip
    for n in range(1, seconds + 1):
        yield Metrics(
            t_ns=n * NS_PER_S,
            emitted_ns=n * NS_PER_S,
            arousal_from=("heart_rate_bpm",),
            **dict.fromkeys(Metrics.index_names(), told),
        )
        if n % 5 == 0:
            slow: dict[str, Any] = dict.fromkeys(SlowMetrics.index_names(), told)
            yield SlowMetrics(t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S, **slow)
        if n % 10 == 0:
            yield Breath(t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S, breathing_rate_bpm=6.0, depth=1.0)


def write(**parts: Any) -> Write:
    return Write(session_id=SESSION_ID, queued_ns=time.monotonic_ns(), **parts)


def export(url: str, export_format: str) -> dict[str, float]:
    """Run the export's own process as the server does."""
    request = {"url": url, "session_id": SESSION_ID, "format": export_format, "device_names": False}
    began_s = time.perf_counter()
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-S", "-c", SHIM], stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.close()
    told = json.loads(process.stdout.readline())
    first_byte_s = time.perf_counter() - began_s
    n_bytes = 0
    while piece := process.stdout.read(65_536):
        n_bytes += len(piece)
    process.stdout.close()
    processor_s, peak_rss_mb = map(float, process.stderr.read().split())
    process.stderr.close()
    process.wait()
    return {
        "first_byte_s": round(first_byte_s, 2),
        "processor_s": round(processor_s, 2),
        "megabytes": round(n_bytes / 1e6, 2),
        "peak_rss_mb": round(peak_rss_mb, 1),
        "whole": n_bytes == told["n_bytes"],
    }


if __name__ == "__main__":
    main()
