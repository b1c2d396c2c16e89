"""Params that were inferred, with a reason each, and those that every kind of data needs."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

# A whole number with more values than this is something to estimate.
_MAX_CLASSES = 20


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


def set_task(values: pd.Series, name: str, found: Inferred) -> None:
    """Tell classes from values to estimate."""
    present = values[values.notna() & (values.astype("str").str.strip() != "")]
    numbers = pd.to_numeric(present, errors="coerce")
    n_distinct = present.nunique()
    if numbers.isna().mean() > 0.05:
        found.set("data.task", "classification", f"{name} holds text, {n_distinct} classes")
    elif n_distinct <= _MAX_CLASSES and (numbers.dropna() % 1 == 0).all():
        found.set("data.task", "classification", f"{name} has {n_distinct} whole values")
    else:
        found.set("data.task", "regression", f"{name} has {n_distinct} numeric values")


def set_batch(n_rows: int, found: Inferred) -> None:
    """Choose a batch size by the number of rows."""
    batch = 32 if n_rows < 20_000 else 128 if n_rows < 200_000 else 1024
    if batch > 32:
        found.set("search.batch_size", batch, f"{n_rows} rows or more")
