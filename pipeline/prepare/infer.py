"""From a file or folder to sensible params, and what was assumed on the way."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.errors import DataError
from pipeline.params import Data, check_params
from pipeline.prepare.look import Look, look_at
from pipeline.prepare.profiles import TableColumn, TextColumn
from pipeline.prepare.sources.image_folder import EXTENSIONS
from pipeline.prepare.sources.opening import TABLES, Joined, open_dataset
from pipeline.problems import nearest
from pipeline.servable.text import tokens

# What is looked at; the stage `prepare` reads all of it.
_ROWS = 50_000
_IMAGES = 300
# A whole number with more values than this is something to estimate.
_MAX_CLASSES = 20
# Texts of fewer words on average are categories.
_MIN_WORDS = 4
# The largest image side that a search on a CPU gets through in reasonable time.
_MAX_SIDE = 64
_USUAL_GAPS = {"?", "-", "--", "n/a", "N/A", "unknown", "Unknown", "UNKNOWN", "missing", "none"}


@dataclass
class Inferred:
    """Params by dotted keys, and why they are what they are."""

    values: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def set(self, key: str, value: Any, reason: str) -> None:
        """Set a param and say why."""
        self.values[key] = value
        shown = "null" if value is None else value
        self.reasons.append(f"{key}: {shown} ({reason})")


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
        _infer_folder(main, found)
    elif main.suffix.lower() == ".npz":
        _infer_npz(main, found)
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


def _infer_folder(folder: Path, found: Inferred) -> None:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in EXTENSIONS)
    if not files:
        raise DataError(
            f"{folder} must hold sub-folders of images, or one table, but got neither. Name the table itself."
        )
    found.set("data.kind", "image", f"{len(files)} images in sub-folders")
    found.set("data.task", "classification", f"{len(classes)} sub-folders: {', '.join(classes[:5])} …")
    found.values["data.target"] = None
    step = max(1, len(files) // _IMAGES)
    _set_image_format([_shape_of(file) for file in files[::step]], found)
    _set_batch(len(files), found)


def _shape_of(file: Path) -> tuple[int, int, bool]:
    """Give an image's height, width and whether it is grey."""
    try:
        with Image.open(file) as image:
            return image.height, image.width, image.mode in {"1", "L", "I", "I;16"}
    except OSError as error:
        raise DataError(f"{file} must be a whole image, but got: {error}. Replace or remove it.") from error


def _set_image_format(shapes: list[tuple[int, int, bool]], found: Inferred) -> None:
    height, width = (int(np.median([shape[axis] for shape in shapes])) for axis in (0, 1))
    scale = min(1.0, _MAX_SIDE / max(height, width))
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    shrunk = f", shrunk to {_MAX_SIDE} pixels for the search" if scale < 1 else ""
    found.set("data.image_size", size, f"the median of {len(shapes)} images is {height} × {width}{shrunk}")
    grey = all(shape[2] for shape in shapes)
    found.set("data.channels", 1 if grey else 3, "all are grey" if grey else "some are in colour")


def _infer_npz(path: Path, found: Inferred) -> None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            x, y = archive["x"], archive["y"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} must be an .npz file with the arrays x and y, but got: {error}.") from error
    images = x.ndim in {3, 4}
    found.set("data.kind", "image" if images else "structured", f"x has the shape {x.shape}")
    found.values["data.target"] = None
    _set_task(pd.Series(y.reshape(len(y), -1)[:, 0]), "y", found)
    if images:
        _set_image_format([(x.shape[1], x.shape[2], x.ndim == 3 or x.shape[3] == 1)], found)
    _set_batch(len(x), found)


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
    _set_task(first[target], target, found)
    images = _column_of_images(first, main.parent) if names else None
    if images:
        found.set("data.kind", "image", f"column {images!r} names images")
        found.set("data.column", images, "paths from the table's folder")
        files = [main.parent / name for name in first[images].head(_IMAGES)]
        _set_image_format([_shape_of(file) for file in files if file.is_file()], found)
        _set_batch(len(first), found)
        return
    look = _look(data, found.values["data.task"])
    _set_kind(look, first, target, found)
    _set_batch(look.n_rows, found)


def _look(data: Data, task: str) -> Look:
    params = check_params({"seed": 0, "data": data.model_dump() | {"task": task}})
    return look_at(_Head(open_dataset(params.data), _ROWS), params)  # type: ignore[arg-type]


def _set_task(values: pd.Series, name: str, found: Inferred) -> None:
    present = values[values.notna() & (values.astype("str").str.strip() != "")]
    numbers = pd.to_numeric(present, errors="coerce")
    n_distinct = present.nunique()
    if numbers.isna().mean() > 0.05:
        found.set("data.task", "classification", f"{name} holds text, {n_distinct} classes")
    elif n_distinct <= _MAX_CLASSES and (numbers.dropna() % 1 == 0).all():
        found.set("data.task", "classification", f"{name} has {n_distinct} whole values")
    else:
        found.set("data.task", "regression", f"{name} has {n_distinct} numeric values")


def _column_of_images(rows: pd.DataFrame, folder: Path) -> str | None:
    for name in rows.columns:
        cells = rows[name].head(20)
        if all(isinstance(cell, str) and Path(cell).suffix.lower() in EXTENSIONS for cell in cells):
            return str(name) if any((folder / cell).is_file() for cell in cells) else None
    return None


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
    ignored = [column.name for column in columns if _is_useless(column)] + wordy
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
    if column.n_missing == column.n_rows:
        return True
    if column.n_missing == 0 and (
        (not column.n_texts and column.minimum == column.maximum)
        or (not column.n_numbers and len(column.counts) == 1)
    ):
        return True
    counting = column.whole and column.maximum - column.minimum == column.n_rows - 1
    return column.distinct and column.n_rows > 5 and (bool(column.n_texts > column.n_rows / 2) or counting)


def _set_batch(n_rows: int, found: Inferred) -> None:
    batch = 32 if n_rows < 20_000 else 128 if n_rows < 200_000 else 1024
    if batch > 32:
        found.set("search.batch_size", batch, f"{n_rows} rows or more")
