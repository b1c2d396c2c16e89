"""CSV and TSV files with a header line; every cell stays the text it is."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.errors import DataError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_CHUNK = 25_000
# The header is line 1 of the file.
_FIRST_LINE = 2


class Delimited:
    """A CSV or TSV file."""

    target: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._delimiter = DELIMITERS[path.suffix.lower()]

    def place(self, row: int) -> str:
        """Name the line."""
        return f"line {row + _FIRST_LINE}"

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Read rows of text.

        Raises DataError where the file is missing, not UTF-8, empty, ragged, delimited by
        something else, or has one column name twice.
        """
        path = self._path
        try:
            self._check_header()
            yield from pd.read_csv(
                path,
                sep=self._delimiter,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,
                on_bad_lines="error",
                chunksize=_CHUNK,
            )
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror}). Set data.path in params.yaml to your table."
            ) from error
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} must be encoded in UTF-8, but byte {error.start} is not. Save it as UTF-8."
            ) from error
        except (pd.errors.ParserError, csv.Error) as error:
            raise DataError(
                f"{path} must have as many cells in every line as in its header, but got: "
                f"{str(error).strip()}. Mend the line, or check the delimiter ({self._delimiter!r})."
            ) from error

    def _check_header(self) -> None:
        with self._path.open(encoding="utf-8-sig", newline="") as stream:
            line = stream.readline()
            stream.seek(0)
            header = next(csv.reader(stream, delimiter=self._delimiter), None)
        if not header:
            raise DataError(f"{self._path} must start with a header line, but got an empty file.")
        if len(header) == 1:
            others = [sign for sign in _NAMES if sign != self._delimiter and sign in line]
            if others:
                raise DataError(
                    f"{self._path} must be delimited by {_NAMES[self._delimiter]}, but its header holds "
                    f"none and has {_NAMES[others[0]]}: {line.strip()!r}. Save it with "
                    f"{_NAMES[self._delimiter]}."
                )
        twice = [name for name, count in Counter(header).items() if count > 1]
        if twice:
            raise DataError(
                f"{self._path}: column names must be distinct, but got {', '.join(map(repr, twice))} "
                "more than once. Rename them."
            )
