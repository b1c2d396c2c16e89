"""Dividing the rows: seeded, stratified, by group or by time, the same on every machine."""

import math
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from pipeline.determinism import derive_seed, numpy_generator
from pipeline.errors import DataError, several
from pipeline.params import Params, Split
from pipeline.prepare.look import Look

_SHOWN = 5


class Rows(NamedTuple):
    """Row numbers of each part, ascending, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def divide(look: Look, params: Params) -> Rows:
    """Choose the rows to use (all, or a sample) and divide them.

    Raises DataError where a class or the groups are too few for that.
    """
    labels = np.concatenate(look.labels)
    classes = labels if params.data.task == "classification" else None
    order = np.concatenate(look.order) if look.order else None
    first_test = look.n_rows - look.n_test_rows
    rows = np.arange(look.n_rows)
    if params.data.sample is not None:
        rows = sample_rows(classes, look.n_rows, params.data.sample, params.seed)
    given = rows[rows >= first_test] if look.n_test_rows else None
    own = rows[rows < first_test]
    if classes is not None:
        _check_classes(look, classes, own, params, tests_given=given is not None)
    if order is not None and params.split.group and len(set(order[own])) < 3:
        raise DataError(
            f"split.group: column {params.split.group!r} must have at least 3 groups to divide, but got "
            f"{len(set(order[own]))}. Set split.group to null, or to another column."
        )
    return split_rows(own, classes, params.split, params.seed, order=order, test=given)


def sample_rows(classes: np.ndarray | None, n_rows: int, fraction: float, seed: int) -> np.ndarray:
    """Draw a fraction of the rows, of each class alike and at least one; ascending."""
    generator = numpy_generator(seed, "sample")
    groups = [np.arange(n_rows)]
    if classes is not None:
        groups = [np.flatnonzero(classes == code) for code in np.unique(classes)]
    drawn = [generator.choice(rows, math.ceil(fraction * len(rows)), replace=False) for rows in groups]
    return np.sort(np.concatenate(drawn))


def split_rows(
    rows: np.ndarray,
    classes: np.ndarray | None,
    settings: Split,
    seed: int,
    *,
    order: np.ndarray | None = None,
    test: np.ndarray | None = None,
) -> Rows:
    """Divide some row numbers into parts.

    `classes` (by row number) are kept in proportion where `settings.stratify`. `order` holds the
    values of `settings.group` or `settings.time`. `test` are test rows given in a file of their own.
    The test set is drawn first, so that it does not change with the validation fraction.
    """
    if test is None:
        rest, test = _cut(rows, settings.test, classes, settings, derive_seed(seed, "split test"), order)
        fraction = settings.validation / (1 - settings.test)
    else:
        rest, fraction = rows, settings.validation
    train, validation = _cut(rest, fraction, classes, settings, derive_seed(seed, "split validation"), order)
    return Rows(np.sort(train), np.sort(validation), np.sort(test))


def _cut(
    rows: np.ndarray,
    fraction: float,
    classes: np.ndarray | None,
    settings: Split,
    state: int,
    order: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a fraction off some rows: the latest, whole groups, or drawn ones."""
    if order is not None and settings.time:
        # Rows of one moment stay in the file's order.
        by_time = rows[np.argsort(order[rows], kind="stable")]
        n_cut = math.ceil(fraction * len(rows))
        return by_time[:-n_cut], by_time[-n_cut:]
    if order is not None:
        # Shares of a group's rows, not of the groups, would need a search: scikit-learn counts groups.
        splitter = GroupShuffleSplit(1, test_size=fraction, random_state=state)
        kept, cut = next(splitter.split(rows, groups=order[rows]))
        return rows[kept], rows[cut]
    stratify = classes[rows] if classes is not None and settings.stratify else None
    kept, cut = train_test_split(rows, test_size=fraction, random_state=state, stratify=stratify)
    return kept, cut


def _check_classes(
    look: Look, classes: np.ndarray, own: np.ndarray, params: Params, *, tests_given: bool
) -> None:
    """Raise DataError where a class has too few rows for a stratified split, or none to learn from."""
    settings, target = params.split, look.target
    counts = dict(zip(look.classes, np.bincount(classes[own], minlength=len(look.classes)), strict=True))
    needed = math.ceil(1 / (settings.validation if tests_given else min(settings.test, settings.validation)))
    stratified = settings.stratify and not (settings.group or settings.time)
    rare = {name: n for name, n in sorted(counts.items()) if n < (needed if stratified else 1)}
    if not rare:
        return
    place = params.data.path
    if len(rare) > max(_SHOWN, len(counts) // 2):
        raise DataError(
            f"{place}: target {target!r} has {len(counts)} classes and {len(rare)} of them in fewer "
            f"than {needed} rows. Is it a number to estimate? Then set data.task to regression."
        )
    enough = f"{needed} rows for a stratified split" if stratified else "1 row to learn from"
    hint = ", or raise data.sample" if params.data.sample else ""
    raise DataError(
        several(
            [
                f"{place}: class {name!r} of target {target!r} must have at least {enough}, but got {count}. "
                f"Add rows, leave the class out, or set split.stratify to false{hint}."
                for name, count in rare.items()
            ]
        )
    )
