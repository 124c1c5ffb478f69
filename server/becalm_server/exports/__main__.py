"""The process that makes one export: a JSON request on standard input, a JSON line and the file on standard output."""

import json
import os
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from becalm_protocol.errors import BecalmError
from becalm_server.archive.row_security import ForWhom
from becalm_server.archive.snapshot import open_snapshot
from becalm_server.exports.catalogue import KINDS, ExportFormat, writer_of
from becalm_server.exports.content import Content

# Feedback goes first: this process takes what the live one leaves.
_NICENESS = 10
_PIECE_BYTES = 262_144


def main() -> None:
    """Make the file whole, then tell its size and give it out: a reader never gets half of one as if it were whole."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    out = sys.stdout.buffer
    with TemporaryFile() as file:  # unnamed: whatever ends us, nothing about anybody is left on disk
        try:
            make(request, file)
        except BecalmError as exc:
            _tell(out, {"refusal": type(exc).__name__, "detail": str(exc)})
            return
        except Exception as exc:  # noqa: BLE001  (the one supervisor of this process)
            # Where it happened, never the exception's own words: they may quote samples.
            place = traceback.extract_tb(exc.__traceback__)[-1]
            _tell(out, {"fault": f"{type(exc).__name__} at {Path(place.filename).name}:{place.lineno}"})
            return
        n_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        _tell(out, {"n_bytes": n_bytes})
        while piece := file.read(_PIECE_BYTES):
            out.write(piece)
        out.flush()


def make(request: dict[str, Any], file: BinaryIO) -> None:
    """Write the export that a request names. Raises BecalmError."""
    export_format = ExportFormat(request["format"])
    people = request["people"]
    for_whom = None if people is None else ForWhom(people=frozenset(people))
    writer, raw = writer_of(export_format), KINDS[export_format].raw
    with (
        open_snapshot(request["url"], request["session_id"], for_whom=for_whom) as snapshot,
        Content(snapshot, device_names=request["device_names"], raw=raw) as content,
    ):
        writer.write(content, file)


def _tell(out: BinaryIO, line: dict[str, Any]) -> None:
    out.write(json.dumps(line).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # whoever asked has gone
        os._exit(1)
