"""Parquet in a zip: the tables of the CSV export with real types. Alone imports pyarrow, of the extra `parquet`."""

import shutil
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
import numpy.typing as npt

from becalm_server.exports.columns import ColumnKind
from becalm_server.exports.content import Content
from becalm_server.exports.csv_zip import write_dictionary
from becalm_server.exports.table import Table
from becalm_server.exports.tables import tables
from becalm_server.refusals import FormatUnavailableError

_ROWS_A_GROUP = 200_000


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole file. Raises FormatUnavailableError where pyarrow is missing."""
    pyarrow, parquet = _libraries()
    with ZipFile(file, "w", ZIP_STORED) as archive:
        told = []
        for table in tables(content):
            told.append(table)
            with TemporaryFile() as packed:
                _write_table(table, packed, pyarrow=pyarrow, parquet=parquet)
                packed.seek(0)
                with archive.open(ZipInfo(f"{table.name}.parquet"), "w", force_zip64=True) as out:
                    shutil.copyfileobj(packed, out)
        write_dictionary(archive, content, told=told)


def _libraries() -> tuple[Any, Any]:
    try:
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]
        from pyarrow import parquet  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ModuleNotFoundError as exc:
        raise FormatUnavailableError(
            "Parquet needs the library pyarrow on the server. Install becalm[parquet] there, or take csv."
        ) from exc
    return pyarrow, parquet


def _write_table(table: Table, packed: Any, *, pyarrow: Any, parquet: Any) -> None:
    types = {
        ColumnKind.INTEGER: pyarrow.int64(),
        ColumnKind.NUMBER: pyarrow.float64(),
        ColumnKind.TEXT: pyarrow.string(),
        ColumnKind.BOOLEAN: pyarrow.bool_(),
    }
    schema = pyarrow.schema(
        [
            pyarrow.field(one.name, types[one.kind], metadata={"unit": one.unit, "meaning": one.meaning})
            for one in table.columns
        ],
        metadata={"meaning": table.meaning},
    )
    with parquet.ParquetWriter(packed, schema, compression="zstd") as writer:
        for batch in table.batches():
            columns = [
                _array(cells, column.kind, arrow_type=field.type, pyarrow=pyarrow)
                for cells, column, field in zip(batch, table.columns, schema, strict=True)
            ]
            rows = pyarrow.RecordBatch.from_arrays(columns, schema=schema)
            writer.write_batch(rows, row_group_size=_ROWS_A_GROUP)


def _array(cells: Sequence[Any], kind: ColumnKind, *, arrow_type: Any, pyarrow: Any) -> Any:
    """Return a column by its buffers: `pyarrow.array` imports pandas, only to ask whether cells are of pandas."""
    valid = np.fromiter((cell is not None for cell in cells), dtype=bool, count=len(cells))
    parts = [None if valid.all() else _bits(valid), *_values(cells, kind)]
    buffers = [None if part is None else pyarrow.py_buffer(part) for part in parts]
    return pyarrow.Array.from_buffers(arrow_type, len(cells), buffers)


def _values(cells: Sequence[Any], kind: ColumnKind) -> Sequence[bytes | npt.NDArray[Any]]:
    if kind is ColumnKind.TEXT:
        texts = [b"" if cell is None else cell.encode() for cell in cells]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return ends, b"".join(texts)
    known = [0 if cell is None else cell for cell in cells]
    if kind is ColumnKind.BOOLEAN:
        return (_bits(np.asarray(known, dtype=bool)),)
    return (np.asarray(known, dtype=np.int64 if kind is ColumnKind.INTEGER else np.float64),)


def _bits(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    return np.packbits(flags, bitorder="little")
