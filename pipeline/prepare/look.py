"""The first pass over the data: everything that checks, split and report need, nothing else."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import DataError, several
from pipeline.params import Data, Params
from pipeline.prepare.profiles import ImageColumn, TableColumn, TextColumn
from pipeline.prepare.sources.opening import IMAGE, Joined
from pipeline.problems import nearest
from pipeline.servable.rows import categories, cell_texts, parse_dates, parse_numbers

Profile = TableColumn | TextColumn | ImageColumn


@dataclass
class Look:
    """What a pass over all rows has shown, row by row only where it must be."""

    target: str
    names: list[str]
    profiles: dict[str, Profile]
    n_rows: int = 0
    # Rows that come from data.test; they are the last ones.
    n_test_rows: int = 0
    # Classification: class numbers in order of appearance, -1 where missing. Regression: values.
    labels: list[np.ndarray] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    not_numbers: dict[int, str] = field(default_factory=dict)
    n_not_numbers: int = 0
    # The column of split.group or split.time, as texts or numbers.
    order: list[np.ndarray] = field(default_factory=list)
    order_missing: int = 0
    row_hashes: list[np.ndarray] = field(default_factory=list)
    feature_hashes: list[np.ndarray] = field(default_factory=list)
    # By column: rows in which the cell is the target's.
    n_equal_target: dict[str, int] = field(default_factory=dict)


def look_at(source: Joined, params: Params) -> Look:
    """Read all rows once. Raises DataError where params name columns that are not there."""
    look: Look | None = None
    missing = frozenset(params.data.missing)
    for chunk in source.chunks():
        if look is None:
            look = _start(list(chunk.columns), source.target, params)
        _add(look, chunk, params, missing)
    if look is None or look.n_rows == 0:
        raise DataError(f"{params.data.path} must have enough rows to split, but got 0. Add rows.")
    look.n_test_rows = source.counts[1] if params.data.test else 0
    return look


def _start(columns: list[str], own_target: str | None, params: Params) -> Look:
    data, split = params.data, params.split
    target = data.target or own_target
    if target is None:
        raise DataError("params.yaml: data.target is missing. Set it to the column to predict.")
    places = {
        "data.target": [target],
        "data.column": [data.column] if data.column else [],
        "data.ignore": data.ignore,
        "data.types": list(data.types),
        "split.group": [split.group] if split.group else [],
        "split.time": [split.time] if split.time else [],
    }
    problems = [
        f"params.yaml: {place} names {name!r}, which is not a column of {data.path}. {nearest(name, columns)}"
        for place, names in places.items()
        for name in names
        if name not in columns
    ]
    left_out = {target, split.group, split.time, *data.ignore}
    names = [name for name in columns if name not in left_out]
    if data.kind != "structured":
        names = [data.column or IMAGE]
    if not problems and not names:
        problems.append(
            f"{data.path} must have a column to predict from, but all are ignored. "
            "Shorten data.ignore in params.yaml."
        )
    if problems:
        raise DataError(several(problems))
    return Look(target, names, {name: _profile(name, data) for name in names})


def _profile(name: str, data: Data) -> Profile:
    match data.kind:
        case "text":
            return TextColumn(name)
        case "image":
            return ImageColumn(name, data.image_size, data.channels)
    return TableColumn(name)


def _add(look: Look, chunk: pd.DataFrame, params: Params, missing: frozenset[str]) -> None:
    look.n_rows += len(chunk)
    for name, profile in look.profiles.items():
        profile.add(chunk[name], missing)
    _add_labels(look, chunk[look.target], params, missing)
    order = params.split.group or params.split.time
    if order:
        values = categories(chunk[order], missing) if params.split.group else moments(chunk[order], missing)
        look.order_missing += int(values.isna().sum())
        look.order.append(values.to_numpy())
    if params.data.kind == "structured":
        target = cell_texts(chunk[look.target])
        for name in look.names:
            equal = int((cell_texts(chunk[name]) == target).sum())
            look.n_equal_target[name] = look.n_equal_target.get(name, 0) + equal
    hashes = {name: pd.util.hash_pandas_object(chunk[name], index=False).to_numpy() for name in chunk}
    look.feature_hashes.append(_combine([hashes[name] for name in look.names]))
    look.row_hashes.append(_combine(list(hashes.values())))


def _add_labels(look: Look, values: pd.Series, params: Params, missing: frozenset[str]) -> None:
    if params.data.task == "classification":
        texts = categories(values, missing)
        for name in texts.dropna().unique():
            look.classes.setdefault(name, len(look.classes))
        look.labels.append(texts.map(look.classes).fillna(-1).to_numpy(np.int64))
        return
    read, wrong = parse_numbers(values, missing)
    look.n_not_numbers += int(wrong.sum())
    look.not_numbers |= dict(cell_texts(values)[wrong].head(5))
    look.labels.append(read.to_numpy())


def moments(values: pd.Series, missing: frozenset[str]) -> pd.Series:
    """Read a column of points in time: numbers, or else ISO dates as seconds since 1970."""
    read, wrong = parse_numbers(values, missing)
    if not wrong.any() and "timestamp" not in str(values.dtype) and "date" not in str(values.dtype):
        return read
    dates, _ = parse_dates(values, missing)
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)


def _combine(hashes: list[np.ndarray]) -> Any:
    """Make one uint64 hash a row from one a column; the order of the columns counts."""
    combined = np.zeros_like(hashes[0])
    for values in hashes:
        combined = combined * np.uint64(1_000_003) ^ values
    return combined
