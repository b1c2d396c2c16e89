"""Dividing the rows: seeded, stratified where asked, the same on every machine."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from pipeline.determinism import derive_seed
from pipeline.params import Split


class Rows(NamedTuple):
    """Row numbers of each part, ascending, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(labels: pd.Series | None, n_rows: int, settings: Split, seed: int) -> Rows:
    """Divide the row numbers 0 … n_rows - 1.

    `labels` are the classes to keep in proportion, or None for a plain random split. The test
    set is drawn first, so that it does not change with the validation fraction.
    """
    rows = np.arange(n_rows)
    rest, test = train_test_split(
        rows,
        test_size=settings.test,
        random_state=derive_seed(seed, "split test"),
        stratify=None if labels is None else labels.iloc[rows],
    )
    train, validation = train_test_split(
        rest,
        test_size=settings.validation / (1 - settings.test),
        random_state=derive_seed(seed, "split validation"),
        stratify=None if labels is None else labels.iloc[rest],
    )
    return Rows(np.sort(train), np.sort(validation), np.sort(test))
