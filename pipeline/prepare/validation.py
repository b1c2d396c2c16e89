"""Checking the rows before anything is fitted: all problems in one message."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import DataError, several
from pipeline.params import Params
from pipeline.problems import nearest
from pipeline.servable import RowsError, categories, numbers

_SHOWN = 5
# Below this share of texts a column of numbers is taken for a numeric column with mistakes in it.
_FEW_TEXTS = 0.05
# The header is line 1 of the file.
_FIRST_LINE = 2


@dataclass
class Findings:
    """What a check found: problems stop the stage, notes do not."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_table(raw: pd.DataFrame, params: Params) -> tuple[dict[str, Any], Findings]:
    """Check raw rows and settle every column's type.

    Returns the schema (task, target, columns with types, missing texts, classes) and what was
    found. Raises DataError with all problems in one message.
    """
    found = Findings()
    _check_names(raw, params, found)
    if found.problems:
        raise DataError(several(found.problems))
    missing = frozenset(params.data.missing)
    names = [name for name in raw.columns if name not in {params.data.target, *params.data.ignore}]
    columns = [{"name": name, "type": _column_type(raw[name], missing, params, found)} for name in names]
    for column in columns:
        _check_column(raw[column["name"]], column["type"], missing, found)
    schema: dict[str, Any] = {
        "task": params.data.task,
        "target": params.data.target,
        "columns": columns,
        "missing": sorted(missing),
    }
    if params.data.task == "classification":
        schema["classes"] = _check_labels(raw, params, missing, found)
    else:
        _check_values(raw[params.data.target], missing, found)
    if found.problems:
        raise DataError(several([f"{params.data.path}: {problem}" for problem in found.problems]))
    return schema, found


def _check_names(raw: pd.DataFrame, params: Params, found: Findings) -> None:
    known = list(raw.columns)
    places = {"data.target": [params.data.target], "data.ignore": params.data.ignore,
              "data.types": list(params.data.types)}  # fmt: skip
    found.problems += [
        f"params.yaml: {place} names {name!r}, which is not a column of {params.data.path}. "
        f"{nearest(name, known)}"
        for place, names in places.items()
        for name in names
        if name not in known
    ]
    if not found.problems and set(known) <= {params.data.target, *params.data.ignore}:
        found.problems.append(
            f"{params.data.path} must have a column to predict from, but all are ignored. "
            "Shorten data.ignore in params.yaml."
        )
    if len(raw) < math.ceil(1 / min(params.split.test, params.split.validation)) + 1:
        found.problems.append(
            f"{params.data.path} must have enough rows to split, but got {len(raw)}. Add rows."
        )


def _column_type(values: pd.Series, missing: frozenset[str], params: Params, found: Findings) -> str:
    """Settle a column's type: as declared, else numeric where every text is a number."""
    name = str(values.name)
    if name in params.data.types:
        return params.data.types[name]
    texts = categories(values, missing)
    is_text = texts.notna() & pd.to_numeric(texts, errors="coerce").isna()
    if not is_text.any():
        return "numeric"
    if is_text.sum() < _FEW_TEXTS * texts.notna().sum():
        distinct = sorted(set(texts[is_text]))
        found.problems.append(
            f"column {name!r} holds numbers, but got text in {int(is_text.sum())} rows "
            f"({_lines(is_text)}: {', '.join(map(repr, distinct[:_SHOWN]))}). If that stands for a "
            "missing value, add it to data.missing; else mend the rows, or declare the column "
            "categorical in data.types."
        )
        return "numeric"
    return "categorical"


def _check_column(values: pd.Series, kind: str, missing: frozenset[str], found: Findings) -> None:
    name = values.name
    try:
        read = numbers(values, missing) if kind == "numeric" else categories(values, missing)
    except RowsError as error:
        if not any(f"column {name!r} holds" in problem for problem in found.problems):
            found.problems.append(f"{error}. Mend the rows, or change data.types.")
        return
    n_distinct = read.nunique()
    if n_distinct == 0:
        found.problems.append(
            f"column {name!r} has no value in any row. Add it to data.ignore in params.yaml."
        )
    elif n_distinct == 1 and not read.isna().any():
        found.problems.append(
            f"column {name!r} has the same value in every row ({read.tolist()[0]!r}). "
            "Add it to data.ignore in params.yaml."
        )
    if kind == "numeric" and np.isinf(read).any():
        found.problems.append(
            f"column {name!r} must hold finite numbers, but got infinity "
            f"({_lines(np.isinf(read))}). Mend the rows, or add the text to data.missing."
        )
    elif n_distinct == len(read) > _SHOWN and _looks_like_id(read, kind):
        found.notes.append(
            f"column {name!r} has another value in every row, like a row number or an id. "
            "If it is one, add it to data.ignore: a model can only learn it by heart."
        )


def _looks_like_id(read: pd.Series, kind: str) -> bool:
    if kind == "categorical":
        return True
    ordered = np.sort(read.to_numpy())
    return bool(np.all(np.diff(ordered) == 1))


def _check_labels(raw: pd.DataFrame, params: Params, missing: frozenset[str], found: Findings) -> list[str]:
    target = categories(raw[params.data.target], missing)
    _check_no_gaps(target, found)
    counts = target.value_counts()
    classes = sorted(counts.index)
    if len(classes) < 2:
        found.problems.append(
            f"target {target.name!r} must have at least two classes, but got {classes}. "
            "Check data.target, or set data.task to regression."
        )
    needed = math.ceil(1 / min(params.split.test, params.split.validation))
    rare = counts[counts < needed] if params.split.stratify else counts[counts < 1]
    if len(rare) > max(_SHOWN, len(counts) // 2):
        found.problems.append(
            f"target {target.name!r} has {len(counts)} classes and {len(rare)} of them in fewer "
            f"than {needed} rows. Is it a number to estimate? Then set data.task to regression."
        )
    else:
        found.problems += [
            f"class {name!r} of target {target.name!r} must have at least {needed} rows for a "
            f"stratified split, but got {count}. Add rows, leave the class out, or set "
            "split.stratify to false."
            for name, count in rare.items()
        ]
    return classes


def _check_values(values: pd.Series, missing: frozenset[str], found: Findings) -> None:
    try:
        target = numbers(values, missing)
    except RowsError as error:
        found.problems.append(f"{error}. Check data.target, or set data.task to classification.")
        return
    _check_no_gaps(target, found)
    if np.isinf(target).any():
        found.problems.append(
            f"target {target.name!r} must hold finite numbers, but got infinity "
            f"({_lines(np.isinf(target))}). Mend the rows."
        )
    if target.nunique() < 2:
        found.problems.append(f"target {target.name!r} has the same value in every row.")


def _check_no_gaps(target: pd.Series, found: Findings) -> None:
    if target.isna().any():
        found.problems.append(
            f"target {target.name!r} must have a value in every row, but {int(target.isna().sum())} "
            f"have none ({_lines(target.isna())}). Fill or remove these rows."
        )


def _lines(wrong: pd.Series) -> str:
    """Name the file's first lines where `wrong` is true."""
    lines = [str(index + _FIRST_LINE) for index in np.flatnonzero(wrong.reset_index(drop=True))]
    more = ", …" if len(lines) > _SHOWN else ""
    return f"line {', '.join(lines[:_SHOWN])}{more}"
