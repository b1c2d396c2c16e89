"""From a file or folder to sensible params, and what was assumed on the way."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import DataError
from pipeline.params import Data, check_params
from pipeline.prepare.infer.images import (
    MAX_IMAGES,
    column_of_images,
    infer_folder,
    infer_npz,
    set_image_format,
    shape_of,
)
from pipeline.prepare.infer.inferred import Inferred, set_batch, set_task
from pipeline.prepare.look import Look, look_at
from pipeline.prepare.profiles import TableColumn, TextColumn
from pipeline.prepare.sources.opening import TABLES, Joined, open_dataset
from pipeline.prepare.validation import looks_like_id
from pipeline.problems import nearest
from pipeline.servable.text import tokens

# What is looked at; the stage `prepare` reads all of it.
_ROWS = 50_000
# Texts of fewer words on average are categories.
_MIN_WORDS = 4
_USUAL_GAPS = {"?", "-", "--", "n/a", "N/A", "unknown", "Unknown", "UNKNOWN", "missing", "none"}


class _Head:
    """The first rows of a source."""

    def __init__(self, source: Joined, n_rows: int) -> None:
        self._source = source
        self._n_rows = n_rows
        self.target = source.target
        self.place = source.place
        self.counts = [0, 0]

    def chunks(self) -> Iterator[pd.DataFrame]:
        seen = 0
        for chunk in self._source.chunks():
            yield chunk
            seen += len(chunk)
            if seen >= self._n_rows:
                return


def infer(path: Path, target: str | None, test: Path | None) -> Inferred:
    """Look at a dataset and choose its params.

    Raises DataError where it cannot be read, or where the target must be named and is not.
    """
    found = Inferred()
    if not path.exists():
        raise DataError(f"{path} cannot be read (No such file or directory). Name a file or a folder.")
    place, names = _place(path, test)
    found.values["data.path"] = (
        os.path.relpath(place) if place.resolve().is_relative_to(Path.cwd()) else str(place)
    )
    for key, name in names.items():
        found.set(f"data.{key}", name, "of its own, beside the other")
    main = place / names["train"] if "train" in names else place
    if main.is_dir():
        infer_folder(main, found)
    elif main.suffix.lower() == ".npz":
        infer_npz(main, found)
    else:
        _infer_table(place, names, main, target, found)
    return found


def _place(path: Path, test: Path | None) -> tuple[Path, dict[str, str]]:
    """Find the folder (or file) for data.path, and the names of training and test data in it."""
    if test is not None:
        if not test.exists():
            raise DataError(f"{test} cannot be read (No such file or directory). Name a file or a folder.")
        common = Path(os.path.commonpath([path.resolve(), test.resolve()]))
        return common, {
            name: str(p.resolve().relative_to(common)) for name, p in (("train", path), ("test", test))
        }
    if path.is_dir():
        parts = {
            p.stem.lower(): p.name for p in sorted(path.iterdir()) if p.is_dir() or p.suffix.lower() in TABLES
        }
        if {"train", "test"} <= parts.keys():
            return path, {"train": parts["train"], "test": parts["test"]}
        tables = [p for p in sorted(path.iterdir()) if p.suffix.lower() in TABLES]
        if len(tables) == 1:
            return path, {"train": tables[0].name}
    return path, {}


def _infer_table(place: Path, names: dict[str, str], main: Path, target: str | None, found: Inferred) -> None:
    if main.suffix.lower() not in TABLES:
        raise DataError(f"{main} must be a {', '.join(TABLES)} or .npz file, or a folder. Save it as CSV.")
    data = Data(path=str(place), train=names.get("train"), task="classification", target=target or "-")
    first = next(iter(open_dataset(data).chunks()), None)
    if first is None:
        raise DataError(f"{main} must have rows, but got none.")
    columns = list(first.columns)
    if target is None or target not in columns:
        hint = f"Known are: {', '.join(columns)}." if target is None else nearest(target, columns)
        raise DataError(f"--target must name the column to predict, but got {target!r}. {hint}")
    found.values["data.target"] = target
    set_task(first[target], target, found)
    images = column_of_images(first, main.parent) if names else None
    if images:
        found.set("data.kind", "image", f"column {images!r} names images")
        found.set("data.column", images, "paths from the table's folder")
        files = [main.parent / name for name in first[images].head(MAX_IMAGES)]
        set_image_format([shape_of(file) for file in files if file.is_file()], found)
        set_batch(len(first), found)
        return
    look = _look(data, found.values["data.task"])
    _set_kind(look, first, target, found)
    set_batch(look.n_rows, found)


def _look(data: Data, task: str) -> Look:
    params = check_params({"seed": 0, "data": data.model_dump() | {"task": task}})
    return look_at(_Head(open_dataset(params.data), _ROWS), params)  # type: ignore[arg-type]


def _set_kind(look: Look, first: pd.DataFrame, target: str, found: Inferred) -> None:
    columns = [column for column in look.profiles.values() if isinstance(column, TableColumn)]
    wordy = [column.name for column in columns if _is_wordy(column, first[column.name])]
    rest = [column for column in columns if column.name not in wordy and not _is_useless(column)]
    if len(wordy) == 1 and not rest:
        found.set("data.kind", "text", f"column {wordy[0]!r} holds sentences")
        found.set("data.column", wordy[0], "the only column with more than a word or two")
        schema = {"keep_punctuation": True, "lowercase": True}
        lengths = [len(tokens(str(text), schema)) for text in first[wordy[0]].head(5000)]
        length = int(np.ceil(np.quantile(lengths, 0.95) / 10) * 10)
        found.set("data.text_length", max(10, min(500, length)), "95% of the texts are no longer")
        return
    found.set("data.kind", "structured", f"{len(columns)} columns beside {target}")
    ignored = list(dict.fromkeys([column.name for column in columns if _is_useless(column)] + wordy))
    if ignored:
        found.set("data.ignore", ignored, "ids, free text, constant or empty columns")
    gaps = sorted({text for column in columns for text in column.counts if text in _USUAL_GAPS})
    if gaps:
        standard = Data.model_fields["missing"].default
        found.set("data.missing", [*standard, *gaps], f"{', '.join(map(repr, gaps))} looks like a gap")


def _is_wordy(column: TableColumn, values: pd.Series) -> bool:
    if column.n_texts < column.n_rows / 2 or column.n_dates:
        return False
    profile = TextColumn(column.name)
    profile.add(values, frozenset())
    return profile.report("text")["mean_words"] >= _MIN_WORDS and values.nunique() > len(values) / 2


def _is_useless(column: TableColumn) -> bool:
    """Tell ids, constant and empty columns."""
    if column.n_missing == column.n_rows or column.only is not None:
        return True
    return looks_like_id(column, "categorical" if column.n_texts else "numeric")
