"""Text as token numbers: words, and punctuation where asked, from a vocabulary learned on train."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from .rows import RowsError

PADDING, UNKNOWN, FIRST_TOKEN = 0, 1, 2
# A word with its apostrophes (don't), or one sign that is neither letter nor space.
_WORDS = re.compile(r"\w+(?:['’]\w+)*")
_WORDS_AND_SIGNS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def tokens(text: str, schema: dict[str, Any]) -> list[str]:
    """Cut a text into tokens as the schema says: lower-cased or not, punctuation kept or not."""
    pattern = _WORDS_AND_SIGNS if schema["keep_punctuation"] else _WORDS
    return pattern.findall(text.lower() if schema["lowercase"] else text)


def token_numbers(rows: pd.DataFrame, schema: dict[str, Any]) -> np.ndarray:
    """Number the tokens of each row's text: int32 of shape (n_rows, text_length).

    Longer texts are cut at the end, shorter ones filled up with 0; a token that train did not hold
    is 1. Raises RowsError where the column is missing or holds something other than text.
    """
    numbers = {token: number for number, token in enumerate(schema["vocabulary"], FIRST_TOKEN)}
    length = schema["text_length"]
    coded = np.full((len(rows), length), PADDING, np.int32)
    for place, text in enumerate(texts(rows, schema)):
        codes = [numbers.get(token, UNKNOWN) for token in tokens(text, schema)[:length]]
        coded[place, : len(codes)] = codes
    return coded


def texts(rows: pd.DataFrame, schema: dict[str, Any]) -> Iterator[str]:
    """Give each row's text; a missing one is empty. Raises RowsError naming column and row."""
    (column,) = schema["columns"]
    name = column["name"]
    if name not in rows.columns:
        raise RowsError(f"rows must have the model's column {name!r}, but got {list(rows.columns)}")
    for index, cell in rows[name].items():
        if isinstance(cell, str):
            yield cell
        elif cell is None or cell is pd.NA or cell != cell:
            yield ""
        else:
            raise RowsError(f"column {name!r} must hold text, but got {cell!r} in row {index}")
