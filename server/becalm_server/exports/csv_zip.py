"""CSV in a zip: one file a table, and the data dictionary as CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from becalm_server.exports.columns import Column, ColumnKind
from becalm_server.exports.content import Content
from becalm_server.exports.table import Table
from becalm_server.exports.tables import tables

# A spreadsheet takes a text that begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_DICTIONARY_COLUMNS = ("table", "column", "type", "unit", "meaning")


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole file."""
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        told = []
        for table in tables(content):
            told.append(table)
            with text_file(archive, f"{table.name}.csv") as out:
                _write_table(table, out)
        write_dictionary(archive, content, told=told)


def _write_table(table: Table, out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    texts = [column.kind is ColumnKind.TEXT for column in table.columns]
    odd = any(texts) or any(column.kind is ColumnKind.BOOLEAN for column in table.columns)
    for batch in table.batches():
        if odd:
            batch = [_plain(cells, column) for cells, column in zip(batch, table.columns, strict=True)]
        writer.writerows(zip(*batch, strict=True))


def _plain(cells: Sequence[Any], column: Column) -> Sequence[Any]:
    if column.kind is ColumnKind.TEXT:
        return [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in cells]
    if column.kind is ColumnKind.BOOLEAN:
        return [None if cell is None else str(bool(cell)).lower() for cell in cells]
    return cells


def write_dictionary(archive: ZipFile, content: Content, *, told: Sequence[Table]) -> None:
    """Write what every column means, for people and for programs."""
    with text_file(archive, "data_dictionary.csv") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(_DICTIONARY_COLUMNS)
        for table in told:
            writer.writerows((table.name, one.name, one.kind.value, one.unit, one.meaning) for one in table.columns)
    document = {
        "session_id": content.record.session_id,
        "pipeline_version": content.pipeline_version,
        "definitions": "docs/indices.md",
        "tables": [
            {
                "name": table.name,
                "meaning": table.meaning,
                "columns": [
                    {"name": one.name, "type": one.kind.value, "unit": one.unit, "meaning": one.meaning}
                    for one in table.columns
                ],
            }
            for table in told
        ],
    }
    with text_file(archive, "data_dictionary.json") as out:
        json.dump(document, out, indent=1)


@contextmanager
def text_file(archive: ZipFile, name: str) -> Iterator[TextIO]:
    """Open a file in a zip to write text; without a date, so that one session gives one and the same file."""
    info = ZipInfo(name)
    info.compress_type = ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as binary:
        out = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield out
        out.flush()
        out.detach()
