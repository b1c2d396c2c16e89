"""The proof that a saved model predicts like the live one, and the script of its fresh process.

Run as a script it stands alone: `python -I -B parity.py MODEL NETWORK ROWS OUTPUTS COSTS` loads a model
folder with one form of its network, predicts a Parquet file of raw rows, saves the network's outputs and
what it cost.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# How far another form's outputs may be from Keras's, in multiples of 1 + their size: they are float32
# sums in another order (ResNet-50 and EfficientNet with random weights: 3e-4). int8 is not held to it.
TOLERANCE = 1e-3
_TIMED_SECONDS = 1.0


def fresh_predictions(model: Path, network: Path, rows: Path) -> tuple[np.ndarray, dict[str, float]]:
    """Predict raw rows in a new process that can import nothing but the model folder's own code.

    Returns the network's outputs and what loading and predicting cost, in seconds and bytes.
    Raises RuntimeError with the process's last words where it fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        outputs, costs = Path(scratch, "outputs.npy"), Path(scratch, "costs.json")
        # -I: neither this project's folder nor the user's site-packages are on the path.
        # -B: no bytecode, which carries a date, is left in the model's folder.
        command = [sys.executable, "-I", "-B", __file__, *map(str, (model, network, rows, outputs, costs))]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"a fresh process could not use {network}:\n{result.stderr[-2000:]}")
        return np.load(outputs), json.loads(costs.read_text())


def compare_outputs(live: np.ndarray, loaded: np.ndarray) -> dict[str, Any]:
    """Compare two networks' outputs over the same rows, shape (n_rows, n_outputs)."""
    if live.shape != loaded.shape:
        return {"identical": False, "rows": len(live), "shapes": [list(live.shape), list(loaded.shape)]}
    difference = np.abs(live.astype(np.float64) - loaded.astype(np.float64))
    return {
        "identical": live.dtype == loaded.dtype and live.tobytes() == loaded.tobytes(),
        "rows": len(live),
        "rows_that_differ": int((difference > 0).any(axis=1).sum()),
        "maximum_difference": float(difference.max(initial=0.0)),
        "mean_difference": float(difference.mean()) if difference.size else 0.0,
    }


def compare_classes(live: np.ndarray, loaded: np.ndarray) -> dict[str, int]:
    """Count the rows whose class changed, from class probabilities of (n_rows, n_classes).

    `class_changes_beyond_tolerance` leaves out those whose two best classes were as good as equal.
    """
    changed = live.argmax(axis=1) != loaded.argmax(axis=1)
    second, best = np.sort(live, axis=1)[:, -2:].T
    clear = best - second > 2 * TOLERANCE * (1 + best)
    return {
        "class_changes": int(changed.sum()),
        "class_changes_beyond_tolerance": int((changed & clear).sum()),
    }


def is_close(live: np.ndarray, loaded: np.ndarray) -> bool:
    """Tell whether all outputs are within `TOLERANCE`."""
    if live.shape != loaded.shape:
        return False
    return bool((np.abs(live - loaded) <= TOLERANCE * (1 + np.abs(live))).all())


def _predict_alone(model: Path, network: Path, rows: Path, outputs: Path, costs: Path) -> None:
    started = time.perf_counter()
    sys.path.insert(0, str(model))
    import pandas as pd
    import psutil

    servable = importlib.import_module("servable")  # the model folder's copy
    loaded = servable.load(model, network)
    ready = time.perf_counter()
    table = pd.read_parquet(rows)
    np.save(outputs, loaded.scores(table))
    found = {"load_seconds": ready - started, "memory_bytes": psutil.Process().memory_info().rss}
    for column in loaded.schema["columns"]:
        if column["type"] == "numeric":  # as a request brings them: numbers, not a file's texts
            values, missing = table[column["name"]], frozenset(loaded.schema["missing"])
            table[column["name"]] = servable.numbers(values, missing)
    for size in (1, 256):
        some = table.sample(size, replace=True, random_state=0)
        found[f"seconds_a_row_at_{size}"] = _seconds(loaded.predict, some) / size
    costs.write_text(json.dumps(found))


def _seconds(predict: Callable[[Any], Any], rows: Any) -> float:
    """Time a call: the median of as many as fit into a second, after one that warms up."""
    predict(rows)
    taken: list[float] = []
    while sum(taken) < _TIMED_SECONDS:
        started = time.perf_counter()
        predict(rows)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


if __name__ == "__main__":
    _predict_alone(*map(Path, sys.argv[1:]))
