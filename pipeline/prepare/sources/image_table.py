"""A table with a column of paths to images beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.prepare.sources.source import Source


class ImageTable:
    """A table's rows with the images' bytes in the place of their paths.

    A path that is not a file inside the folder stays a path, for the check to find.
    """

    target: str | None = None

    def __init__(self, table: Source, folder: Path, column: str) -> None:
        self._table = table
        self._folder = folder.resolve()
        self._column = column

    def place(self, row: int) -> str:
        """Say where the table has the row."""
        return self._table.place(row)

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Read the table, and the images that it names."""
        for chunk in self._table.chunks():
            if self._column not in chunk.columns:
                yield chunk
                continue
            # A chunk of a table is many images: as many as fit into some megabytes.
            for first in range(0, len(chunk), 256):
                rows = chunk.iloc[first : first + 256]
                cells = pd.Series([self._read(cell) for cell in rows[self._column]], rows.index, dtype=object)
                yield rows.assign(**{self._column: cells})

    def _read(self, cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        path = (self._folder / cell).resolve()
        return path.read_bytes() if path.is_relative_to(self._folder) and path.is_file() else cell
