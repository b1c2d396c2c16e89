"""`python -m benchmarks.scale`: what rows cost, from 10,000 to 1,000,000, and 60,000 images.

Each size is prepared and searched (one trial) by fresh processes. Time a row is given against the smallest
size: 1.0 or less is linear. Memory is what the stage's peak grows by, beyond that of the smallest size, for
each byte by which the prepared arrays grow. A trial's overhead is what is left of it when its epochs are
taken off: a trial of three epochs (eleven on tables) costs two (ten) epochs more than a trial of one.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.search import measure, prepare_files, set_params

_COLUMNS = 30


def main() -> None:
    """Measure all sizes, one after the other, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--images", type=int, nargs="+", default=[6_000, 60_000])
    arguments = parser.parse_args()
    for kind, sizes, make in (("table", arguments.rows, table), ("images", arguments.images, images)):
        base: dict[str, float] = {}
        for n_rows in sizes:
            with tempfile.TemporaryDirectory() as scratch:
                found = measure_size(Path(scratch), n_rows, make)
            base = base or found
            line = [f"{kind} of {n_rows:>9,}:"]
            for name in ("prepare", "epoch"):
                line.append(f"{name} {found[name] / base[name]:5.2f} a row")
            line.append(f"overhead of a trial {found['overhead'] / base['overhead']:5.2f}")
            grown = found["arrays"] - base["arrays"]
            for stage in ("prepare", "search") if grown else ():
                more = found[f"memory {stage}"] - base[f"memory {stage}"]
                line.append(f"{stage} takes {more / grown:5.2f} more for each byte of arrays")
            sizes_in_mb = [found[name] / 1e6 for name in ("arrays", "memory prepare", "memory search")]
            print(
                f"{'  '.join(line)}  ({found['seconds']:.1f} s to prepare, "
                f"overhead {found['overhead']:.2f} s; "
                "arrays {:.0f} MB, peaks {:.0f} and {:.0f} MB)".format(*sizes_in_mb),
                flush=True,
            )


def measure_size(folder: Path, n_rows: int, make) -> dict[str, float]:
    """Prepare and search one size; give seconds a row and memory in multiples of the arrays."""
    prepare_files(folder)
    set_params(
        folder,
        make(folder, n_rows)
        | {"search.max_trials": 1, "search.batch_size": 1024, "evaluate.baselines": False},
    )
    seconds, peak = measure([sys.executable, "-m", "pipeline", "prepare"], folder, {})
    arrays = float((folder / "prepared" / "arrays.npz").stat().st_size)
    trials: dict[int, float] = {}
    peaks = []
    # Tables take many short epochs, so that what they take stands out from a process's own ups and downs.
    more = 11 if make is table else 3
    for n_epochs in (1, more):
        set_params(folder, {"search.epochs": n_epochs, "search.patience": n_epochs + 1})
        _, searched = measure([sys.executable, "-m", "pipeline", "search"], folder, {})
        peaks.append(searched)
        (record,) = sorted(
            folder.glob(".encore/journals/*/trial-00000.json"), key=lambda path: path.stat().st_mtime
        )[-1:]
        trials[n_epochs] = json.loads(record.read_text())["seconds"]
    epoch = (trials[more] - trials[1]) / (more - 1)
    return {
        "prepare": seconds / n_rows,
        "seconds": seconds,
        "epoch": epoch / n_rows,
        "overhead": trials[1] - epoch,
        "arrays": arrays,
        "memory prepare": peak,
        "memory search": max(peaks),
    }


def table(folder: Path, n_rows: int) -> dict[str, object]:
    """Write a table of numbers with a gap here and there, and a column of categories."""
    generator = np.random.default_rng(0)
    path = folder / "table.csv"
    for first in range(0, n_rows, 50_000):
        n = min(50_000, n_rows - first)
        columns = {f"x{c}": np.round(generator.normal(size=n), 6) for c in range(_COLUMNS - 1)}
        frame = pd.DataFrame(columns)
        frame.loc[generator.random(n) < 0.01, "x0"] = np.nan
        frame["colour"] = generator.choice(["red", "green", "blue"], n)
        frame["label"] = np.where(frame["x1"] + frame["x2"] > 0, "yes", "no")
        frame.to_csv(path, mode="a", header=first == 0, index=False)
    return {"data.path": "table.csv", "data.target": "label"}


def images(folder: Path, n_rows: int) -> dict[str, object]:
    """Write random images of 28 × 28 pixels as one NPZ file."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 255, (n_rows, 28, 28)).astype(np.uint8)
    y = np.arange(n_rows) % 10
    x[np.arange(n_rows), y] = 255  # a white line at the height of its class
    np.savez(folder / "images.npz", x=x, y=y)
    return {
        "data.path": "images.npz", "data.kind": "image", "data.target": "null", "data.image_size": "[28, 28]",
        "data.channels": 1,
    }  # fmt: skip


if __name__ == "__main__":
    main()
