"""What every kind of file looks like to the rest of `prepare`."""

from collections.abc import Iterator
from typing import Protocol

import pandas as pd


class Source(Protocol):
    """Rows of raw cells in the order of the user's file.

    It can be read through any number of times and never holds more than a chunk of rows.
    """

    # The column with the labels, where the data itself says which it is.
    target: str | None

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Give the rows, chunk by chunk, indexed by their number from 0 up.

        Raises DataError where the file cannot be read.
        """

    def place(self, row: int) -> str:
        """Say where in the user's file a row is."""
