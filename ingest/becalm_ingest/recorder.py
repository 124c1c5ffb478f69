"""Recorded notifications: raw bytes as a sensor sent them, in JSON lines, and back through the same parsers.

The first line is a header with the version. Then one line each: `link` when a connection of a device begins (so that a
reader starts its families afresh), `bytes` for a notification. Times are those of the first session; later sessions
of the same agent follow at their distance from it.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from becalm_ingest.devices import Conversation, Cursor, Family, StreamTemplate, family_named
from becalm_ingest.recording_lines import Lines
from becalm_ingest.recording_notes import NotificationLines
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError, RecordingError
from becalm_protocol.events import Clock, Dropped, GapReason, RawEvent, SignalKind, StreamInfo

VERSION = 1
_MAGIC = "becalm_notifications"
# What a `link` line tells of each stream, beside its kind and clock; recordings without it have the usual streams.
_TOLD = ("unit", "unit_per_count", "sample_rate_hz")


class Recorder:
    """Writes a recording while the agent runs. A full disk ends the recording, never the session."""

    def __init__(self, path: Path, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.trouble: str | None = None
        self._path = path
        self._clock = clock
        self._first_began_ns: int | None = None
        self._shift_ns = 0
        if path.is_file() and path.stat().st_size:
            raise RecordingError(
                "expected a new file, got one with something in it; choose another --record", path=str(path)
            )
        try:
            # Unbuffered, a line at a time: of a killed process all is there, and a line that failed is not tried again.
            self._file: BinaryIO | None = open(path, "wb", buffering=0, opener=_private)  # noqa: SIM115  closed by `close`
        except OSError as exc:
            raise RecordingError(f"cannot be written: {exc.strerror}; choose another --record", path=str(path)) from exc
        self._write({_MAGIC: VERSION})
        if self.trouble:
            raise RecordingError("cannot be written: the disk is full; choose another --record", path=str(path))

    def begin(self, session_ns: int) -> None:
        """Note that it is `session_ns` in the session whose times follow."""
        began_ns = self._clock() - session_ns
        if self._first_began_ns is None:
            self._first_began_ns = began_ns
        self._shift_ns = began_ns - self._first_began_ns

    def link(self, *, device: str, family: Family, received_ns: int) -> None:
        """Note that a connection of a device began, and which streams it offers."""
        streams = [_told(template) for template in family.streams]
        received_ns += self._shift_ns
        self._write({"link": device, "family": family.name, "received_ns": received_ns, "streams": streams})

    def notification(self, *, device: str, family: str, channel: str, received_ns: int, data: bytes) -> None:
        """Note one notification."""
        self._write(
            {
                "device": device,
                "family": family,
                "channel": channel,
                "received_ns": received_ns + self._shift_ns,
                "bytes": data.hex(),
            }
        )

    def close(self) -> None:
        """Finish the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as exc:
            self.trouble = (
                f"The recording {self._path.name} ended ({exc.strerror}); the session goes on. Free some disk"
            )
            self.close()


def is_notifications(path: Path) -> bool:
    """Tell whether a file holds recorded notifications."""
    first = next(iter(Lines(path)), b"")
    return first.startswith(b'{"' + _MAGIC.encode())


class Notifications:
    """A recording of notifications; `streams` and `events()` as in any recording."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: tuple[str, ...] = ()
        self._lines = NotificationLines(path, knows=lambda name: family_named(name) is not None)
        header = next(iter(Lines(path)))
        if header.strip() != b'{"%s":%d}' % (_MAGIC.encode(), VERSION):
            got = header[:40].decode("ascii", errors="replace")
            raise RecordingError(
                f"expected notifications of version {VERSION}, got {got!r}; update becalm", path=str(path)
            )
        self._infos: dict[tuple[str, SignalKind], StreamInfo] = {}
        self._kinds: dict[tuple[str, str], set[SignalKind]] = {}
        for line in self._lines:
            self._describe(line)
        self.streams = tuple(self._infos.values())
        if not self.streams:
            told = f" ({self._lines.problem})" if self._lines.problem else ""
            raise RecordingError(
                f"expected notifications of a known family, got none{told}; record again", path=str(path)
            )
        cursors = self._cursors()
        for device, name in self._kinds:  # before anything is played
            self._begin(name, own=_of(device, cursors))

    def events(self) -> Iterator[RawEvent]:
        """Parse the notifications again; received times are those of the recording."""
        cursors = self._cursors()
        conversations: dict[tuple[str, str], Conversation] = {}
        newest_ns = 0
        for line in self._lines:
            newest_ns = max(newest_ns, line["received_ns"])
            key = (_device(line), str(line.get("family")))
            own = _of(key[0], cursors)
            if "link" in line or key not in conversations:
                for kind in self._kinds[key]:
                    own[kind].mark_break(GapReason.LINK_LOST)
                conversations[key] = self._begin(key[1], own=own)
            if "bytes" in line:
                yield from _parse(line, conversation=conversations[key], own=own)
        if self._lines.problem:
            problem = "".join(filter(str.isprintable, self._lines.problem))[: limits.MAX_NOTE_CHARS]
            yield Dropped(stream_id=self.streams[0].stream_id, received_ns=newest_ns, problem=problem)

    def _cursors(self) -> dict[tuple[str, SignalKind], Cursor]:
        return {
            key: Cursor(
                stream_id=info.stream_id, sample_rate_hz=info.sample_rate_hz, unit_per_count=info.unit_per_count
            )
            for key, info in self._infos.items()
        }

    def _begin(self, name: str, *, own: dict[SignalKind, Cursor]) -> Conversation:
        family = family_named(name)
        if family is None:
            raise RecordingError(
                f"expected a known device family, got {name!r:.40}; update becalm", path=str(self.path)
            )
        try:
            return family.converse(own)
        except (KeyError, IndexError) as exc:  # of a file that was changed, or is from a later version
            problem = f"expected the streams that {name} has, got {', '.join(own) or 'none'}; record again"
            raise RecordingError(problem, path=str(self.path)) from exc

    def _describe(self, line: dict[str, Any]) -> None:
        family, device = family_named(str(line.get("family"))), _device(line)
        kinds = self._kinds.setdefault((device, str(line.get("family"))), set())
        if family is None or (kinds and "streams" not in line):
            return
        for told in line.get("streams") or [_told(template) for template in family.streams]:
            try:
                kind = SignalKind(told["kind"])
                info = StreamInfo(
                    stream_id=secrets.token_hex(16),
                    kind=kind,
                    clock=Clock(told["clock"]),
                    device=device,
                    **{name: told[name] for name in _TOLD if name in told},
                )
            except (ValueError, TypeError, KeyError) as exc:
                raise RecordingError(f"expected streams as recorded, got {told!r:.80}", path=str(self.path)) from exc
            kinds.add(kind)
            self._infos.setdefault((device, kind), info)


def _private(path: str, flags: int) -> int:
    """Open for this user alone: heartbeats are nobody else's."""
    return os.open(path, flags, 0o600)


def _told(template: StreamTemplate) -> dict[str, Any]:
    names = (*_TOLD, "kind", "clock")
    return {name: getattr(template, name) for name in names if getattr(template, name) is not None}


def _of(device: str, cursors: Mapping[tuple[str, SignalKind], Cursor]) -> dict[SignalKind, Cursor]:
    return {kind: cursor for (owner, kind), cursor in cursors.items() if owner == device}


def _device(line: dict[str, Any]) -> str:
    name = str(line.get("link", line.get("device", "")))
    return "".join(filter(str.isprintable, name))[: limits.MAX_NAME_CHARS] or "recording"


def _parse(line: dict[str, Any], *, conversation: Conversation, own: dict[SignalKind, Cursor]) -> tuple[RawEvent, ...]:
    received_ns = line["received_ns"]
    try:
        data = bytes.fromhex(str(line["bytes"]))
        return conversation.parse(data, channel=str(line.get("channel")), received_ns=received_ns)
    except (DeviceDataError, ValueError) as exc:
        stream_id = next(iter(own.values())).stream_id
        problem = "".join(filter(str.isprintable, str(exc)))[: limits.MAX_NOTE_CHARS]
        return (Dropped(stream_id=stream_id, received_ns=received_ns, problem=problem),)
