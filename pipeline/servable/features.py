"""From raw rows to a network's input, for every kind of data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .rows import typed_rows

# The only type, beyond skops's own list of harmless ones, that a preprocessor may hold.
_TRUSTED = ["numpy.dtype"]


class Features:
    """The preprocessing of one model; `preprocessor` is a table's fitted ColumnTransformer."""

    def __init__(self, schema: dict[str, Any], preprocessor: Any = None) -> None:
        self.schema = schema
        self._preprocessor = preprocessor

    def transform(self, rows: pd.DataFrame) -> np.ndarray:
        """Compute the network's inputs for raw rows.

        Tables: float32 (n, n_features). Images: uint8 (n, height, width, channels). Text: int32
        (n, text_length). Raises RowsError for rows that cannot be read.
        """
        match self.schema["kind"]:
            # Each kind asks for its own packages only.
            case "image":
                from .images import pixels

                return pixels(rows, self.schema)
            case "text":
                from .text import token_numbers

                return token_numbers(rows, self.schema)
        features = self._preprocessor.transform(typed_rows(rows, self.schema))
        return np.ascontiguousarray(features, dtype=np.float32)


def load_features(schema: dict[str, Any], preprocessor: Path) -> Features:
    """Load preprocessing; only a table has a file for it, which is read without pickle."""
    if schema["kind"] != "structured":
        return Features(schema)
    from skops.io import load as load_without_pickle

    return Features(schema, load_without_pickle(preprocessor, trusted=_TRUSTED))
