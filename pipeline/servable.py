"""From raw rows to predictions, standing alone: exported with every model as its only code.

It imports nothing of the pipeline, so that a model folder can be used without it:

    import sys; sys.path.insert(0, "exported/model")
    from servable import load
    load("exported/model").predict(rows)

`prepare` reads the training rows with the same `typed_rows`, so training and serving cannot drift.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MANIFEST = "manifest.json"
# The only type, beyond skops's own list of harmless ones, that a preprocessor may hold.
_TRUSTED = ["numpy.dtype"]
_SHOWN = 5


class RowsError(ValueError):
    """Rows that the model cannot read; the message names the column."""


class DamagedModelError(ValueError):
    """A model folder whose files are not those that were exported."""


def typed_rows(rows: pd.DataFrame, schema: dict[str, Any]) -> pd.DataFrame:
    """Bring raw rows into the model's columns, order and types.

    Missing columns become missing values and other columns are dropped. Numeric columns become
    float64; categorical ones become text, with whole numbers written alike ("1", "1.0" and 1.0
    are one category). Raises RowsError for text in a numeric column, naming column and rows.
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
            values = pd.Series(np.nan, index=rows.index, dtype="float64")
        else:
            values = rows[name]
        read = numbers if column["type"] == "numeric" else categories
        columns[name] = read(values, missing)
    return pd.DataFrame(columns, index=rows.index)


def numbers(values: pd.Series, missing: frozenset[str]) -> pd.Series:
    """Read a column as float64. Raises RowsError naming the first rows that hold text."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype("float64")
    texts = _texts(values, missing)
    read = pd.to_numeric(texts, errors="coerce")
    wrong = texts.notna() & read.isna()
    if wrong.any():
        shown = ", ".join(f"{index}: {text!r}" for index, text in texts[wrong].head(_SHOWN).items())
        raise RowsError(
            f"column {values.name!r} must hold numbers, but got text in {int(wrong.sum())} rows ({shown})"
        )
    return read.astype("float64")


def categories(values: pd.Series, missing: frozenset[str]) -> pd.Series:
    """Read a column as category texts, None where missing."""
    texts = _texts(values, missing)
    return texts.astype(object).where(texts.notna(), None)


def _texts(values: pd.Series, missing: frozenset[str]) -> pd.Series:
    """Read each distinct value as text once: whole numbers alike, missing ones as None."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    texts = [_text(value, missing) for value in distinct]
    table = np.array([*texts, None], dtype=object)  # the sentinel -1 picks the last one
    return pd.Series(table[codes], index=values.index, name=values.name, dtype=object)


def _text(value: Any, missing: frozenset[str]) -> str | None:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    text = str(value).strip()
    if text in missing:
        return None
    whole, point, zeros = text.partition(".")
    if point and zeros and not zeros.strip("0") and whole.lstrip("-").isdigit():
        return whole
    return text


class ServableModel:
    """Preprocessing, network and label decoding as one."""

    def __init__(self, folder: Path) -> None:
        check_manifest(folder)
        # The heavy imports wait until a damaged folder has been refused.
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        import keras
        from skops.io import load as load_without_pickle

        self.schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
        self._preprocessor = load_without_pickle(folder / "preprocessor.skops", trusted=_TRUSTED)
        self._network = keras.models.load_model(folder / "network.keras", compile=False, safe_mode=True)

    def scores(self, rows: pd.DataFrame) -> np.ndarray:
        """Compute the network's raw outputs, float32 of shape (n_rows, n_outputs)."""
        features = self.features(rows)
        outputs = self._network.predict(features, batch_size=self.schema["batch_size"], verbose=0)
        return np.asarray(outputs)

    def features(self, rows: pd.DataFrame) -> np.ndarray:
        """Compute the network's inputs, float32 of shape (n_rows, n_features)."""
        typed = typed_rows(rows, self.schema)
        return np.ascontiguousarray(self._preprocessor.transform(typed), dtype=np.float32)

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Predict from raw rows.

        Returns a column `prediction`, and for classification one column
        `probability_<class>` a class.
        """
        return decode(self.scores(rows), self.schema, rows.index)


def decode(outputs: np.ndarray, schema: dict[str, Any], index: Any = None) -> pd.DataFrame:
    """Turn a network's outputs into labels and probabilities, or into values."""
    if schema["task"] == "regression":
        values = outputs[:, 0].astype(np.float64) * schema["target_scale"] + schema["target_mean"]
        return pd.DataFrame({"prediction": values}, index=index)
    probabilities = class_probabilities(outputs)
    labels = np.asarray(schema["classes"], dtype=object)[probabilities.argmax(axis=1)]
    named = {f"probability_{name}": probabilities[:, i] for i, name in enumerate(schema["classes"])}
    return pd.DataFrame({"prediction": labels, **named}, index=index)


def class_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Give one float64 column a class: a sigmoid network has one output for two classes."""
    outputs = outputs.astype(np.float64)
    return np.hstack([1.0 - outputs, outputs]) if outputs.shape[1] == 1 else outputs


def check_manifest(folder: Path) -> None:
    """Compare every file of a model folder with the digests written at export.

    Raises DamagedModelError naming the file that is missing or differs.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedModelError(
            f"{folder / MANIFEST} cannot be read: {error}. Export the model again."
        ) from error
    for name, expected in manifest["files"].items():
        path = folder / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "nothing"
        if found != expected:
            raise DamagedModelError(
                f"{path} must have the SHA-256 digest {expected}, but got {found}. Export the model again."
            )


def load(folder: str | Path) -> ServableModel:
    """Load an exported model folder. Raises DamagedModelError where its files were changed."""
    return ServableModel(Path(folder))
