"""What the cells of a column are like, gathered a chunk at a time."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.servable.images import decode_image
from pipeline.servable.rows import categories, cell_texts, parse_dates, parse_numbers

# Rows of one kind that a message shows.
SHOWN = 5
# Distinct texts of a column that are counted; a column with more is one of free text or ids.
_MAX_COUNTED = 10_000


@dataclass
class TableColumn:
    """A column of a table, before its type is settled."""

    name: str
    n_rows: int = 0
    n_missing: int = 0
    n_numbers: int = 0
    n_texts: int = 0
    n_dates: int = 0
    n_infinite: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    total: float = 0.0
    # The first rows of each kind, with what they hold.
    texts: dict[int, str] = field(default_factory=dict)
    not_dates: dict[int, str] = field(default_factory=dict)
    infinite: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    # As far as chunks can tell: no value twice, and whole numbers only.
    distinct: bool = True
    whole: bool = True

    def add(self, values: pd.Series, missing: frozenset[str]) -> None:
        """Take the next rows, indexed by their number."""
        self.n_rows += len(values)
        numbers, is_text = parse_numbers(values, missing)
        if "date" in str(values.dtype) or "timestamp" in str(values.dtype):
            numbers, is_text = numbers * np.nan, values.notna()
        present = numbers.dropna()
        finite = present[np.isfinite(present)]
        self.n_numbers += len(present)
        self.n_texts += int(is_text.sum())
        self.n_missing += len(values) - len(present) - int(is_text.sum())
        self.n_infinite += len(present) - len(finite)
        self.infinite += [int(row) for row in present.index[~np.isfinite(present)][:SHOWN]]
        if len(finite):
            self.minimum = min(self.minimum, float(finite.min()))
            self.maximum = max(self.maximum, float(finite.max()))
            self.total += float(finite.sum())
            self.whole = self.whole and bool((finite == finite.round()).all())
        self.distinct = self.distinct and bool(present.is_unique)
        if is_text.any():
            self._add_texts(values[is_text], missing)

    def _add_texts(self, values: pd.Series, missing: frozenset[str]) -> None:
        texts = cell_texts(values)
        self.texts |= dict(texts.head(max(0, SHOWN - len(self.texts))))
        dates, wrong = parse_dates(values, missing)
        self.n_dates += int(dates.notna().sum())
        self.not_dates |= dict(texts[wrong].head(max(0, SHOWN - len(self.not_dates))))
        self.distinct = self.distinct and bool(texts.is_unique)
        if len(self.counts) < _MAX_COUNTED:
            self.counts.update(Counter(categories(values, missing)))

    @property
    def only(self) -> float | str | None:
        """The value that every row has, where that is so."""
        if self.n_missing or self.n_infinite:
            return None
        if not self.n_texts:
            return self.minimum if self.minimum == self.maximum else None
        return next(iter(self.counts)) if not self.n_numbers and len(self.counts) == 1 else None

    @property
    def counts_up(self) -> bool:
        """Whether every row has another value, one more than another row's: a row number."""
        return self.distinct and self.whole and self.maximum - self.minimum == self.n_rows - 1

    def report(self, kind: str) -> dict[str, Any]:
        """Sum the column up, given its type."""
        summary: dict[str, Any] = {"type": kind, "missing": self.n_missing}
        if kind == "numeric" and self.n_numbers > self.n_infinite:
            mean = self.total / (self.n_numbers - self.n_infinite)
            summary |= {"minimum": self.minimum, "maximum": self.maximum, "mean": mean}
        elif kind != "numeric":
            common = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
            summary |= {"distinct": len(self.counts), "most_common": dict(common)}
        return summary


@dataclass
class TextColumn:
    """The column of texts."""

    name: str
    n_rows: int = 0
    n_empty: int = 0
    n_numbers: int = 0
    n_other: int = 0
    empty: list[int] = field(default_factory=list)
    other: dict[int, str] = field(default_factory=dict)
    n_words: int = 0
    most_words: int = 0

    def add(self, values: pd.Series, missing: frozenset[str]) -> None:
        """Take the next rows, indexed by their number."""
        self.n_rows += len(values)
        is_text = values.map(lambda cell: isinstance(cell, str))
        self.n_other += int((~is_text & values.notna()).sum())
        self.other |= {int(row): repr(values[row]) for row in values.index[~is_text & values.notna()][:SHOWN]}
        texts = values.where(is_text).astype("str").str.strip()
        empty = values.isna() | (is_text & texts.isin({"", *missing}))
        self.n_empty += int(empty.sum())
        self.empty += [int(row) for row in values.index[empty][:SHOWN]]
        self.n_numbers += int(pd.to_numeric(texts[~empty], errors="coerce").notna().sum())
        words = texts[~empty].map(lambda text: len(text.split()))
        self.n_words += int(words.sum())
        self.most_words = max(self.most_words, int(words.max() if len(words) else 0))

    def report(self, kind: str) -> dict[str, Any]:
        """Sum the column up."""
        mean = self.n_words / max(1, self.n_rows - self.n_empty)
        return {"type": kind, "missing": self.n_empty, "mean_words": mean, "most_words": self.most_words}


@dataclass
class ImageColumn:
    """The column of images, as bytes; a cell that is still a path was not found."""

    name: str
    size: list[int]
    channels: int
    n_rows: int = 0
    n_missing: int = 0
    n_broken: int = 0
    missing: dict[int, str] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)
    minimum: int = 255
    maximum: int = 0

    def add(self, values: pd.Series, missing: frozenset[str]) -> None:
        """Take the next rows, indexed by their number: every image is decoded once here."""
        self.n_rows += len(values)
        for row, cell in values.items():
            if not isinstance(cell, bytes):
                self.n_missing += 1
                if len(self.missing) < SHOWN:
                    self.missing[int(row)] = str(cell)  # type: ignore[call-overload]
                continue
            try:
                array = decode_image(cell, self.size, self.channels)
            except Exception as error:  # noqa: BLE001 - whatever a broken file does to its decoder
                self.n_broken += 1
                if len(self.broken) < SHOWN:
                    self.broken[int(row)] = str(error).partition(" <_io")[0]  # type: ignore[call-overload]
                continue
            self.minimum = min(self.minimum, int(array.min()))
            self.maximum = max(self.maximum, int(array.max()))

    def report(self, kind: str) -> dict[str, Any]:
        """Sum the column up."""
        return {"type": kind, "missing": self.n_missing, "minimum": self.minimum, "maximum": self.maximum}
