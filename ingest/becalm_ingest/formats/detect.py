"""Tells the formats of recordings apart: by their first bytes, never by the name alone where bytes can tell."""

from enum import Enum
from pathlib import Path

from becalm_ingest.formats.binary_file import read_start
from becalm_ingest.formats.edf_file import BDF_MAGIC, EDF_MAGIC

_N_BYTES = 512


class Format(Enum):
    """A format that is not one of our own."""

    EDF = "EDF"
    WFDB = "WFDB"
    XDF = "XDF"
    FIT = "FIT"


def format_of(path: Path) -> Format | None:
    """Return the format of a binary recording, None for text. Raises RecordingError for what cannot be read."""
    start = read_start(path, _N_BYTES)
    if start.startswith((EDF_MAGIC, BDF_MAGIC)):
        return Format.EDF
    if start.startswith(b"XDF:"):
        return Format.XDF
    if start[8:12] == b".FIT":
        return Format.FIT
    if path.suffix.lower() == ".hea" or (path.suffix.lower() == ".dat" and path.with_suffix(".hea").is_file()):
        return Format.WFDB
    return None
