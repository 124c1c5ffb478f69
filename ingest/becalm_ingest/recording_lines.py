"""Lines of a text file, plain or gzip, in constant memory; a truncated file gives everything before the cut."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from becalm_protocol.errors import RecordingError

_READ_BYTES = 65_536
# Damage costs what was inflated together with it: this much, not a whole read.
_INFLATE_BYTES = 1_024
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
# A row of a hundred columns is 2 KB; a "line" of a megabyte is not text.
_MAX_LINE_BYTES = 1_000_000


class Lines:
    """Iterate over the complete lines, without their ends; afterwards `problem` tells how the file was cut, if so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        self.problem = None
        tail = b""
        for data in self._blocks():
            *lines, tail = (tail + data).split(b"\n")
            if len(tail) > _MAX_LINE_BYTES:
                raise RecordingError("expected lines of text, got none in a megabyte", path=str(self._path))
            yield from lines
        if tail and self.problem is None:
            self.problem = "the file ends in the middle of a line, which is not used"

    def _blocks(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                data = file.read(_READ_BYTES)
                if not data.startswith(_GZIP_MAGIC):
                    while data:
                        yield data
                        data = file.read(_READ_BYTES)
                    return
                yield from self._inflate(data, file_read=lambda: file.read(_READ_BYTES))
        except OSError as exc:
            raise RecordingError(f"cannot be read: {exc.strerror or exc}", path=str(self._path)) from exc

    def _inflate(self, data: bytes, *, file_read: Callable[[], bytes]) -> Iterator[bytes]:
        inflate = zlib.decompressobj(_GZIP_WINDOW)
        while data:
            for start in range(0, len(data), _INFLATE_BYTES):
                try:
                    yield inflate.decompress(data[start : start + _INFLATE_BYTES])
                except zlib.error:
                    self.problem = "the gzip data are damaged from here on; everything before is used"
                    return
                if inflate.eof:
                    data = inflate.unused_data + data[start + _INFLATE_BYTES :]
                    break
            else:
                data = b""
            data = data or file_read()
            if inflate.eof and data:
                inflate = zlib.decompressobj(_GZIP_WINDOW)  # files may be several gzip members on end
        if not inflate.eof:
            self.problem = "the gzip file is cut short; everything before the cut is used"
