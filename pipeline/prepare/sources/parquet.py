"""Parquet tables, in the types that they declare."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError, several

_CHUNK = 25_000


class Parquet:
    """A Parquet file."""

    target: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def place(self, row: int) -> str:
        """Count rows from 0, as pandas does."""
        return f"row {row}"

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Read rows. Raises DataError where the file is damaged or a column holds nested values."""
        try:
            with pq.ParquetFile(self._path) as file:
                self._check_types(file.schema_arrow)
                first = 0
                for batch in file.iter_batches(_CHUNK):
                    yield _frame(batch, first)
                    first += len(batch)
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{self._path} must be a whole Parquet file, but got: {reason}. Write it again."
            ) from error

    def _check_types(self, schema: pa.Schema) -> None:
        nested = [field for field in schema if pa.types.is_nested(field.type)]
        if nested:
            raise DataError(
                several(
                    [
                        f"{self._path}: column {field.name!r} must hold one value a row, but got "
                        f"{field.type}. Flatten it, or leave it out of the file."
                        for field in nested
                    ]
                )
            )


def _frame(batch: pa.RecordBatch, first: int) -> pd.DataFrame:
    table = pa.Table.from_batches([batch])
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            # Categories are numbered anew in every row group; their texts are the same.
            plain = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, field.name, plain)
    # pandas would make floats of integers with gaps.
    frame = table.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
    frame.index = pd.RangeIndex(first, first + len(frame))
    return frame
