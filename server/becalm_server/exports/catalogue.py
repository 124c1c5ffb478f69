"""The formats there are: what each is called, and where its writer is."""

from enum import StrEnum
from importlib import import_module
from typing import BinaryIO, Protocol

from becalm_protocol.events import value
from becalm_server.exports.content import Content


class ExportFormat(StrEnum):
    """What a session can be exported to."""

    EDF = "edf"
    XDF = "xdf"
    CSV = "csv"
    PARQUET = "parquet"
    KUBIOS = "kubios"
    FIT = "fit"
    FHIR = "fhir"
    HTML = "html"


@value
class Kind:
    """How a format is named on the network and on disk."""

    media_type: str
    suffix: str
    module: str
    """Where `write(content, file)` is."""
    raw: bool = True
    """Whether it needs raw events, which take longest to read."""


# EDF, XDF and FIT have no registered media type.
_BYTES = "application/octet-stream"
KINDS = {
    ExportFormat.EDF: Kind(media_type=_BYTES, suffix=".edf", module="edf_file"),
    ExportFormat.XDF: Kind(media_type=_BYTES, suffix=".xdf", module="xdf_file"),
    ExportFormat.CSV: Kind(media_type="application/zip", suffix=".csv.zip", module="csv_zip"),
    ExportFormat.PARQUET: Kind(media_type="application/zip", suffix=".parquet.zip", module="parquet_zip"),
    ExportFormat.KUBIOS: Kind(media_type="text/plain; charset=us-ascii", suffix=".rr.txt", module="rr_text", raw=False),
    ExportFormat.FIT: Kind(media_type=_BYTES, suffix=".fit", module="fit_file", raw=False),
    ExportFormat.HTML: Kind(media_type="text/html; charset=utf-8", suffix=".html", module="report_page", raw=False),
    ExportFormat.FHIR: Kind(media_type="application/fhir+json", suffix=".fhir.json", module="fhir_bundle"),
}


class Writer(Protocol):
    """What each module offers."""

    def write(self, content: Content, file: BinaryIO) -> None:
        """Write the whole file. Raises NothingToExportError or FormatUnavailableError."""


def writer_of(export_format: ExportFormat) -> Writer:
    """Return the module that writes a format, loaded when it is wanted."""
    module: Writer = import_module(f"becalm_server.exports.{KINDS[export_format].module}")
    return module


def file_name(session_id: str, export_format: ExportFormat) -> str:
    """Return a name that every system takes, whatever the identifier holds."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in session_id)
    return f"becalm_{kept}{KINDS[export_format].suffix}"
