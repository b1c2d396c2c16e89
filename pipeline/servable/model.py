"""The exported model: preprocessing, network and label decoding as one."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .features import load_features
from .networks import choose_form, load_network

MANIFEST = "manifest.json"


class DamagedModelError(ValueError):
    """A model folder whose files are not those that were exported."""


class ServableModel:
    """Preprocessing, network and label decoding as one."""

    def __init__(self, folder: Path, network: Path | None = None) -> None:
        # The heavy imports wait until a damaged folder has been refused.
        check_manifest(folder)
        self.schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
        self._features = load_features(self.schema, folder / "preprocessor.skops")
        self._network = load_network(network or choose_form(folder))

    def scores(self, rows: pd.DataFrame) -> np.ndarray:
        """Compute the network's raw outputs, float32 of shape (n_rows, n_outputs)."""
        features, size = self.features(rows), self.schema["batch_size"]
        starts = range(0, max(1, len(features)), size)
        return np.concatenate([self._network(features[start : start + size]) for start in starts])

    def features(self, rows: pd.DataFrame) -> np.ndarray:
        """Compute the network's inputs. Raises RowsError for rows that cannot be read."""
        return self._features.transform(rows)

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

    Raises DamagedModelError naming the file that is missing, differs, or does not belong there.
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
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    names = {path.relative_to(folder).as_posix() for path in files}
    if foreign := sorted(names - manifest["files"].keys() - {MANIFEST}):
        raise DamagedModelError(
            f"{folder} must hold only what was exported, but got {', '.join(foreign)} as well. Take it away, "
            "or export the model again."
        )


def load(folder: str | Path, network: str | Path | None = None) -> ServableModel:
    """Load an exported model folder. Raises DamagedModelError where its files were changed.

    `network` is another form of its network (.keras, .onnx, .tflite or a SavedModel folder); by default
    the folder's own, by ONNX where it can.
    """
    return ServableModel(Path(folder), Path(network) if network else None)
