"""The proof that a saved model predicts like the live one, and the script of its fresh process.

Run as a script it stands alone: `python -I -B parity.py MODEL ROWS OUTPUTS TIMINGS` loads a model
folder, predicts a Parquet file of raw rows and saves the network's outputs.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


def fresh_predictions(model: Path, rows: Path) -> tuple[np.ndarray, dict[str, float]]:
    """Predict raw rows in a new process that can import nothing but the model folder's own code.

    Returns the network's outputs and how long loading and predicting took, in seconds.
    Raises RuntimeError with the process's last words where it fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        outputs, timings = Path(scratch, "outputs.npy"), Path(scratch, "timings.json")
        # -I: neither this project's folder nor the user's site-packages are on the path.
        # -B: no bytecode, which carries a date, is left in the model's folder.
        command = [sys.executable, "-I", "-B", __file__, *map(str, (model, rows, outputs, timings))]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"a fresh process could not use {model}:\n{result.stderr[-2000:]}")
        return np.load(outputs), json.loads(timings.read_text())


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


def _predict_alone(model: Path, rows: Path, outputs: Path, timings: Path) -> None:
    started = time.perf_counter()
    sys.path.insert(0, str(model))
    import pandas as pd

    loaded = importlib.import_module("servable").load(model)  # the model folder's copy
    ready = time.perf_counter()
    np.save(outputs, loaded.scores(pd.read_parquet(rows)))
    done = time.perf_counter()
    timings.write_text(json.dumps({"load_seconds": ready - started, "predict_seconds": done - ready}))


if __name__ == "__main__":
    _predict_alone(*map(Path, sys.argv[1:]))
