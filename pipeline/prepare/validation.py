"""Checking what the first pass has shown, before anything is fitted: all problems in one message."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.errors import DataError, several
from pipeline.params import Params
from pipeline.prepare.findings import Findings
from pipeline.prepare.look import Look
from pipeline.prepare.profiles import SHOWN, ImageColumn, TableColumn, TextColumn

# Below this share of texts a column of numbers is taken for a numeric column with mistakes in it.
_FEW_TEXTS = 0.05
# Categories of a column beyond which the rarer ones share a feature (features.py).
MANY_CATEGORIES = 64


def check(look: Look, params: Params, place: Callable[[int], str]) -> tuple[dict[str, Any], Findings]:
    """Check the columns and settle their types; `place` says where in the user's file a row is.

    Returns the schema (kind, task, target, columns with types, missing texts, classes) and what
    was found. Raises DataError with all problems in one message.
    """
    found = Findings(place)
    data = params.data
    if look.n_rows < math.ceil(1 / min(params.split.test, params.split.validation)) + 1:
        found.problems.append(f"must have enough rows to split, but got {look.n_rows}. Add rows.")
    columns = []
    for name, profile in look.profiles.items():
        match profile:
            case TextColumn():
                _check_text(profile, found)
            case ImageColumn():
                _check_images(profile, found)
            case TableColumn():
                kind = _column_type(profile, params, found)
                _check_column(profile, kind, found)
                if look.n_equal_target[name] == look.n_rows:
                    found.notes.append(
                        f"column {name!r} holds the target in every row. A model will only copy it: add "
                        "it to data.ignore, unless it is known before the target is."
                    )
        columns.append({"name": name, "type": data.kind if data.kind != "structured" else kind})
    schema: dict[str, Any] = {
        "kind": data.kind,
        "task": data.task,
        "target": look.target,
        "columns": columns,
        "missing": sorted(data.missing),
    }
    if data.kind == "image":
        schema |= {"image_size": data.image_size, "channels": data.channels}
    if data.kind == "text":
        schema |= {name: getattr(data, name) for name in ("text_length", "lowercase", "keep_punctuation")}
    if data.task == "classification":
        schema["classes"] = sorted(look.classes)
    _check_target(look, params, found)
    if look.order_missing:
        key = "group" if params.split.group else "time"
        found.problems.append(
            f"split.{key}: column {getattr(params.split, key)!r} must have a "
            f"{'value' if key == 'group' else 'number or an ISO date'} in every row, but "
            f"{look.order_missing} have none. Fill or remove these rows."
        )
    if found.problems:
        raise DataError(several([f"{data.path}: {problem}" for problem in found.problems]))
    return schema, found


def _column_type(column: TableColumn, params: Params, found: Findings) -> str:
    """Settle a column's type: as declared, else numeric or date where every text is one."""
    if column.name in params.data.types:
        return params.data.types[column.name]
    if not column.n_texts:
        return "numeric"
    if column.n_texts < _FEW_TEXTS * (column.n_numbers + column.n_texts):
        found.problems.append(
            f"column {column.name!r} holds numbers, but got text in {column.n_texts} rows "
            f"({found.cells(column.texts, column.n_texts)}). If that stands for a missing value, add it to "
            "data.missing; else mend the rows, or declare the column categorical in data.types."
        )
        return "numeric"
    n_not_dates = column.n_texts - column.n_dates
    if not column.n_numbers and not n_not_dates:
        return "date"
    if not column.n_numbers and n_not_dates < _FEW_TEXTS * column.n_texts:
        found.problems.append(
            f"column {column.name!r} holds dates, but got something else in {n_not_dates} rows "
            f"({found.cells(column.not_dates, n_not_dates)}). Mend the rows, or declare the column "
            "categorical in data.types."
        )
    elif column.n_numbers:
        found.notes.append(
            f"column {column.name!r} mixes {column.n_numbers} numbers and {column.n_texts} texts "
            f"({found.cells(column.texts, column.n_texts)}): it is taken as categorical."
        )
    return "categorical"


def _check_column(column: TableColumn, kind: str, found: Findings) -> None:
    name = column.name
    wrong = {"numeric": (column.n_texts, column.texts, "numbers"),
             "date": (column.n_numbers + column.n_texts - column.n_dates, column.not_dates,
                      "dates such as 2026-11-21")}  # fmt: skip
    n_wrong, cells, what = wrong.get(kind, (0, {}, ""))
    if n_wrong:
        if not any(f"column {name!r} holds" in problem for problem in found.problems):
            shown = f" ({found.cells(cells, n_wrong)})" if cells else ""
            found.problems.append(
                f"column {name!r} must hold {what}, but got something else in {n_wrong} rows{shown}. Mend "
                "the rows, or change data.types."
            )
        return
    _check_constant(column, found)
    if kind == "numeric" and column.n_infinite:
        found.problems.append(
            f"column {name!r} must hold finite numbers, but got infinity "
            f"({found.rows(column.infinite, column.n_infinite)}). Mend the rows, or add the text to "
            "data.missing."
        )
    elif looks_like_id(column, kind):
        found.notes.append(
            f"column {name!r} has another value in every row, like a row number or an id. "
            "If it is one, add it to data.ignore: a model can only learn it by heart."
        )
    elif kind == "categorical" and len(column.counts) > MANY_CATEGORIES:
        found.notes.append(
            f"column {name!r} has {len(column.counts)} categories: the {MANY_CATEGORIES - 1} most frequent "
            "have a feature each, the others share one."
        )


def _check_constant(column: TableColumn, found: Findings) -> None:
    if column.n_missing == column.n_rows:
        found.problems.append(
            f"column {column.name!r} has no value in any row. Add it to data.ignore in params.yaml."
        )
    elif column.only is not None:
        found.problems.append(
            f"column {column.name!r} has the same value in every row ({column.only!r}). "
            "Add it to data.ignore in params.yaml."
        )


def looks_like_id(column: TableColumn, kind: str) -> bool:
    """Tell a column whose every row has another value: a row number, or text."""
    if not column.distinct or column.n_missing or column.n_rows <= SHOWN:
        return False
    return column.counts_up if kind == "numeric" else kind == "categorical" and not column.n_numbers


def _check_text(column: TextColumn, found: Findings) -> None:
    name = column.name
    if column.n_other:
        found.problems.append(
            f"column {name!r} must hold text, but got something else in {column.n_other} rows "
            f"({found.cells(column.other, column.n_other)}). Check data.column."
        )
    elif column.n_numbers > column.n_rows / 2:
        found.problems.append(
            f"column {name!r} must hold text, but {column.n_numbers} of {column.n_rows} rows hold a number. "
            "Check data.column, or set data.kind to structured."
        )
    if column.n_empty:
        found.problems.append(
            f"column {name!r} must have a text in every row, but {column.n_empty} have none "
            f"({found.rows(column.empty, column.n_empty)}). Fill or remove these rows."
        )
    if column.n_words <= column.n_rows - column.n_empty and not column.n_numbers and not column.n_other:
        found.notes.append(
            f"column {name!r} holds one word a row. A column of categories belongs in a table "
            "(data.kind: structured)."
        )


def _check_images(column: ImageColumn, found: Findings) -> None:
    if column.n_missing:
        found.problems.append(
            f"column {column.name!r} must name image files inside the table's folder, but "
            f"{column.n_missing} rows do not ({found.cells(column.missing, column.n_missing)}). Correct the "
            "paths: they start at the folder of the table."
        )
    if column.n_broken:
        shown = "; ".join(f"{found.place(row)}: {why}" for row, why in column.broken.items())
        more = "; …" if column.n_broken > len(column.broken) else ""
        found.problems.append(
            f"must hold whole PNG, JPEG or BMP images, but {column.n_broken} cannot be read ({shown}{more}). "
            "Replace or remove them."
        )
    if not column.n_missing and not column.n_broken and column.minimum == column.maximum:
        found.problems.append(f"must hold images, but every pixel has the value {column.minimum}.")


def _check_target(look: Look, params: Params, found: Findings) -> None:
    labels = np.concatenate(look.labels)
    if params.data.task == "regression":
        if look.n_not_numbers:
            found.problems.append(
                f"target {look.target!r} must hold numbers, but got text in {look.n_not_numbers} rows "
                f"({found.cells(look.not_numbers, look.n_not_numbers)}). Check data.target, or set data.task "
                "to classification."
            )
            return
        gaps = np.isnan(labels)
    else:
        gaps = labels < 0
    if gaps.any():
        found.problems.append(
            f"target {look.target!r} must have a value in every row, but {int(gaps.sum())} have none "
            f"({found.rows(np.flatnonzero(gaps), int(gaps.sum()))}). Fill or remove these rows."
        )
    if params.data.task == "classification":
        if len(look.classes) < 2:
            found.problems.append(
                f"target {look.target!r} must have at least two classes, but got {sorted(look.classes)}. "
                "Check data.target, or set data.task to regression."
            )
        return
    infinite = np.isinf(labels)
    if infinite.any():
        found.problems.append(
            f"target {look.target!r} must hold finite numbers, but got infinity "
            f"({found.rows(np.flatnonzero(infinite), int(infinite.sum()))}). Mend the rows."
        )
    if np.nanmin(labels) == np.nanmax(labels):
        found.problems.append(f"target {look.target!r} has the same value in every row.")
