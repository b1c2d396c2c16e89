"""Reading the user's file into rows of raw text, unguessed."""

import csv
from collections import Counter
from pathlib import Path

import pandas as pd

from pipeline.errors import DataError

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or TSV file with a header line; every cell stays the text it is.

    Raises DataError where the file is missing, of another kind, not UTF-8, empty, ragged, or
    has one column name twice.
    """
    delimiter = _DELIMITERS.get(path.suffix.lower())
    if delimiter is None:
        kinds = " or ".join(_DELIMITERS)
        raise DataError(f"data.path must name a {kinds} file, but got {str(path)!r}. Save the table as CSV.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream, delimiter=delimiter), None)
        if not header:
            raise DataError(f"{path} must start with a header line, but got an empty file.")
        twice = [name for name, count in Counter(header).items() if count > 1]
        if twice:
            raise DataError(
                f"{path}: column names must be distinct, but got {', '.join(map(repr, twice))} "
                "more than once. Rename them."
            )
        return pd.read_csv(
            path,
            sep=delimiter,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            index_col=False,
            on_bad_lines="error",
        )
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}). Set data.path in params.yaml to your table."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} must be encoded in UTF-8, but byte {error.start} is not. Save it as UTF-8."
        ) from error
    except pd.errors.ParserError as error:
        raise DataError(
            f"{path} must have as many cells in every line as in its header, but got: "
            f"{str(error).strip()}. Mend the line, or check the delimiter ({delimiter!r})."
        ) from error
