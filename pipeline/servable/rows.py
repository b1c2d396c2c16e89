"""Raw cells, as they come from a file or a request, read as numbers, categories, dates or text."""

from typing import Any

import numpy as np
import pandas as pd

_SHOWN = 5
_EPOCH = pd.Timestamp(0, tz="UTC")
# What a date becomes: days since 1970 for the trend, the others for what comes back.
DATE_PARTS = ("days", "month", "day", "weekday", "hour")


class RowsError(ValueError):
    """Rows that the model cannot read; the message names the column."""


def typed_rows(rows: pd.DataFrame, schema: dict[str, Any]) -> pd.DataFrame:
    """Bring raw rows of a table into the model's columns, order and types.

    Missing columns become missing values and other columns are dropped. Numeric columns become
    float64; dates become one float64 column a part; categorical ones become text, with whole numbers
    written alike ("1", "1.0" and 1.0 are one category). Raises RowsError for cells of another type,
    naming column and rows.
    """
    absent = [column for column in schema["columns"] if column["name"] not in rows.columns]
    if len(absent) == len(schema["columns"]):
        names = ", ".join(column["name"] for column in absent[:_SHOWN])
        raise RowsError(f"rows must have at least one of the model's columns ({names} …), but got none")
    missing = frozenset(schema["missing"])
    columns = {}
    for column in schema["columns"]:
        name = column["name"]
        if name not in rows.columns:
            values = pd.Series(np.nan, index=rows.index, dtype="float64", name=name)
        else:
            values = rows[name]
        match column["type"]:
            case "numeric":
                columns[name] = numbers(values, missing)
            case "date":
                columns |= date_parts(dates(values, missing))
            case _:
                columns[name] = categories(values, missing)
    return pd.DataFrame(columns, index=rows.index)


def numeric_names(schema: dict[str, Any]) -> list[str]:
    """Name the columns of typed rows that hold numbers."""
    names = []
    for column in schema["columns"]:
        if column["type"] == "numeric":
            names.append(column["name"])
        elif column["type"] == "date":
            names += [f"{column['name']} ({part})" for part in DATE_PARTS]
    return names


def numbers(values: pd.Series, missing: frozenset[str]) -> pd.Series:
    """Read a column as float64. Raises RowsError naming the first rows that hold text."""
    read, wrong = parse_numbers(values, missing)
    _refuse(values, wrong, "numbers")
    return read


def parse_numbers(values: pd.Series, missing: frozenset[str]) -> tuple[pd.Series, pd.Series]:
    """Read a column as float64; say as well where it holds neither a number nor a missing value."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype("float64"), pd.Series(False, index=values.index)
    texts = cell_texts(values)
    gone = texts.isna() | texts.isin(missing)
    read = pd.to_numeric(texts.where(~gone), errors="coerce").astype("float64")
    return read, read.isna() & ~gone


def dates(values: pd.Series, missing: frozenset[str]) -> pd.Series:
    """Read a column of ISO dates (2026-11-21, with or without a time). Raises RowsError for others."""
    read, wrong = parse_dates(values, missing)
    _refuse(values, wrong, "dates such as 2026-11-21")
    return read


def parse_dates(values: pd.Series, missing: frozenset[str]) -> tuple[pd.Series, pd.Series]:
    """Read a column as UTC timestamps; say as well where it holds something else."""
    if "date" in str(values.dtype) or "timestamp" in str(values.dtype):
        return pd.to_datetime(values, utc=True), pd.Series(False, index=values.index)
    texts = cell_texts(values)
    gone = texts.isna() | texts.isin(missing)
    looks = texts.str.match(r"\d{4}-\d{2}-\d{2}", na=False) & ~gone
    read = pd.to_datetime(texts.where(looks), format="ISO8601", errors="coerce", utc=True)
    return read, read.isna() & ~gone


def date_parts(values: pd.Series) -> dict[str, pd.Series]:
    """Take dates apart into float64 columns, named after `DATE_PARTS`."""
    parts = {
        "days": (values - _EPOCH) / pd.Timedelta(days=1),
        "month": values.dt.month,
        "day": values.dt.day,
        "weekday": values.dt.day_of_week,
        "hour": values.dt.hour,
    }
    return {f"{values.name} ({part})": parts[part].astype("float64") for part in DATE_PARTS}


def categories(values: pd.Series, missing: frozenset[str]) -> pd.Series:
    """Read a column as category texts, None where missing: each distinct value is read once."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    texts = [_category(value, missing) for value in distinct]
    table = np.array([*texts, None], dtype=object)  # the sentinel -1 picks the last one
    return pd.Series(table[codes], index=values.index, name=values.name, dtype=object)


def cell_texts(values: pd.Series) -> pd.Series:
    """Read cells as stripped text, missing where there is none."""
    return values.astype("str").str.strip()


def _category(value: Any, missing: frozenset[str]) -> str | None:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    text = str(value).strip()
    if text in missing:
        return None
    whole, point, zeros = text.partition(".")
    if point and zeros and not zeros.strip("0") and whole.lstrip("-").isdigit():
        return whole
    return text


def _refuse(values: pd.Series, wrong: pd.Series, what: str) -> None:
    if not wrong.any():
        return
    texts = cell_texts(values)[wrong]
    shown = ", ".join(f"{index}: {text!r}" for index, text in texts.head(_SHOWN).items())
    raise RowsError(
        f"column {values.name!r} must hold {what}, but got text in {int(wrong.sum())} rows ({shown})"
    )
