"""Bytes of a file, plain or gzip, with the disk's refusals as RecordingError."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from becalm_protocol.errors import RecordingError

_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open for reading; gzip is unpacked on the way."""
    with refusing(path), path.open("rb") as file:
        is_packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not is_packed:
            yield file
            return
        with gzip.open(file) as unpacked:
            yield cast("BinaryIO", unpacked)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what a disk or a damaged gzip file says into one sentence."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise RecordingError("expected a whole gzip file, got a damaged one; copy it again", path=str(path)) from exc
    except OSError as exc:
        raise RecordingError(f"cannot be read: {exc.strerror or exc}", path=str(path)) from exc


def read_start(path: Path, n_bytes: int) -> bytes:
    """Return the first bytes, fewer where the file is shorter."""
    with opened(path) as file:
        return file.read(n_bytes)
