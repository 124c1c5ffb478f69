"""Kubios RR text: one interval a line, in milliseconds, as measured; Kubios corrects by its own rules."""

from typing import BinaryIO

from becalm_server.exports.content import Content
from becalm_server.exports.heart import intervals


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole file. Raises NothingToExportError."""
    for row in intervals(content):
        file.write(f"{row['rr_ms']:.3f}\n".encode())
