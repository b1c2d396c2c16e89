"""From `data` in params.yaml to the source that it means."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.digests import digest_file, digest_json, digest_tree
from pipeline.errors import DataError
from pipeline.params import Data
from pipeline.prepare.sources.delimited import DELIMITERS, Delimited
from pipeline.prepare.sources.image_folder import ImageFolder
from pipeline.prepare.sources.image_table import ImageTable
from pipeline.prepare.sources.npz import Npz
from pipeline.prepare.sources.parquet import Parquet
from pipeline.prepare.sources.source import Source

# What the column of images is called where the data gives it no name.
IMAGE = "image"
TABLES = [*DELIMITERS, ".parquet"]


def open_sources(data: Data) -> list[Source]:
    """Open the dataset: one source, or that of the training rows and that of the test rows.

    Raises DataError where `data.path`, `train` or `test` name nothing that can be read.
    """
    root = Path(data.path)
    if not root.exists():
        raise DataError(f"{root} cannot be read (No such file or directory). Set data.path to your data.")
    names = [name for name in (data.train, data.test) if name is not None]
    if names and not root.is_dir():
        raise DataError(
            f"data.path must name a folder where data.train or data.test is set, but got the file {root}. "
            f"Set data.path to {str(root.parent)!r}."
        )
    absent = [name for name in names if not (root / name).exists()]
    if absent:
        there = sorted(path.name for path in root.iterdir() if path.name[0] != ".")[:10]
        raise DataError(
            f"data.path: {root} must hold {' and '.join(map(repr, absent))}, but got {there}. "
            "Correct data.train or data.test."
        )
    return [_open(root / name, data) for name in names] or [_open(root, data)]


def _open(path: Path, data: Data) -> Source:
    column = data.column or IMAGE
    images = data.kind == "image"
    if path.is_dir():
        if images:
            return ImageFolder(path, column=column, target=data.target)
        raise DataError(
            f"data.path must name a file where data.kind is {data.kind}, but got the folder {path}. Name "
            "the table in it, or set data.train to its name."
        )
    suffix = path.suffix.lower()
    if suffix == ".npz" and data.kind != "text":
        return Npz(path, images=images, column=column, target=data.target)
    if suffix not in TABLES:
        kinds = [*TABLES, *([] if data.kind == "text" else [".npz"])]
        raise DataError(
            f"data.path must name a {', '.join(kinds[:-1])} or {kinds[-1]} file, but got {str(path)!r}. "
            "Save the table as CSV."
        )
    table: Source = Parquet(path) if suffix == ".parquet" else Delimited(path)
    if not images:
        return table
    if data.column is None or data.target is None:
        raise DataError(
            f"{path}: for a table of images set data.column to the column with their paths, and "
            f"data.target to the column to predict, but got {data.column} and {data.target}."
        )
    if suffix != ".parquet" and data.train is None:
        raise DataError(
            f"data.path must name the folder that holds both {path.name} and the images, so that DVC sees "
            f"both, but got the table. Set data.path to {str(path.parent)!r} and data.train to {path.name!r}."
        )
    return ImageTable(table, path.parent, data.column)


class Joined:
    """The rows of one source after those of the other, numbered on."""

    def __init__(self, sources: list[Source], names: list[str]) -> None:
        self.sources = sources
        self.names = names
        self.target = sources[0].target
        self.counts: list[int] = []

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Read all rows. Raises DataError where the second source lacks a column of the first."""
        columns = None
        first, counts = 0, []
        for source, name in zip(self.sources, self.names, strict=True):
            before = first
            for chunk in source.chunks():
                columns = list(chunk.columns) if columns is None else columns
                absent = [column for column in columns if column not in chunk.columns]
                if absent:
                    raise DataError(
                        f"{name} must have the columns of {self.names[0]}, but {', '.join(absent)} "
                        f"{'is' if len(absent) == 1 else 'are'} not among {list(chunk.columns)}."
                    )
                numbered = chunk[columns]
                numbered.index = pd.RangeIndex(first, first + len(chunk))
                first += len(chunk)
                yield numbered
            counts.append(first - before)
        self.counts = counts

    def place(self, row: int) -> str:
        """Say where a row is, and in which of two files."""
        for source, name, count in zip(self.sources, self.names, self.counts, strict=False):
            if row < count:
                return source.place(row) if len(self.sources) == 1 else f"{name} {source.place(row)}"
            row -= count
        return self.sources[-1].place(row)


def open_dataset(data: Data) -> Joined:
    """Open all rows of the dataset as one. Raises DataError where they cannot be found."""
    names = [name for name in (data.train, data.test) if name is not None]
    return Joined(open_sources(data), names or [data.path])


def digest_dataset(data: Data) -> str:
    """Digest the bytes of the dataset's files; those of a folder together with their names."""
    root = Path(data.path)
    named = [root / name for name in (data.train, data.test) if name is not None]
    if data.kind == "image" and any(path.is_file() for path in named):
        named = []  # the images that the table names are beside it
    digests = [digest_tree(path) if path.is_dir() else digest_file(path) for path in named or [root]]
    return digests[0] if len(digests) == 1 else digest_json(digests)
