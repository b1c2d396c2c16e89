"""`python -m benchmarks.search`: a plain AutoKeras script against Encore's search stage.

Every measurement is a fresh process, from its start to its end (for Encore: until it publishes), on
the same prepared arrays, with the same number of trials, epochs, batch size and patience. Variants
are interleaved and repeated; what counts is the median of the ratios within a round, not seconds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from pipeline.overrides import apply

ROOT = Path(__file__).resolve().parents[1]
# AutoKeras's own patience, when it inserts early stopping (engine/tuner.py).
PATIENCE = 10

PLAIN = """
import sys, numpy as np, autokeras as ak
trials, epochs, seed = map(int, sys.argv[1:])
arrays = np.load("prepared/arrays.npz")
search = ak.StructuredDataClassifier(max_trials=trials, overwrite=True, directory="plain", seed=seed + 1)
search.fit(arrays["x_train"], arrays["y_train"], epochs=epochs, batch_size=32, verbose=0,
           validation_data=(arrays["x_validation"], arrays["y_validation"]))
"""


# The image task without the ready-made networks that cannot run here, which Encore leaves out too.
PLAIN_IMAGES = """
import sys, numpy as np, autokeras as ak
trials, epochs, seed = map(int, sys.argv[1:])
arrays = np.load("prepared/arrays.npz")
images = ak.ImageInput()
output = ak.ClassificationHead()(ak.ImageBlock(block_type="vanilla")(images))
search = ak.AutoModel(images, output, max_trials=trials, overwrite=True, directory="plain", seed=seed + 1)
search.fit(arrays["x_train"], arrays["y_train"], epochs=epochs, batch_size=32, verbose=0,
           validation_data=(arrays["x_validation"], arrays["y_validation"]))
"""


def main() -> None:
    """Measure all variants on all tables and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--levels", action="store_true", help="measure the other levels of determinism too")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    arguments = parser.parse_args()
    for table in arguments.tables:
        measure_table(table, arguments.trials, arguments.epochs, arguments.rounds, levels=arguments.levels)


def measure_table(table: str, trials: int, epochs: int, rounds: int, *, levels: bool) -> None:
    """Measure one table, variants interleaved, and print the median ratios."""
    ratios: dict[str, list[float]] = {}
    memory: dict[str, list[int]] = {}
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as scratch:
            folder = prepare_project(Path(scratch), table, trials, epochs, seed)
            seconds: dict[str, float] = {}
            chosen = variants(table, trials, epochs, seed)
            if not levels:
                chosen = {name: variant for name, variant in chosen.items() if variant[2] == "strict"}
            for variant, (command, variables, level) in chosen.items():
                shutil.rmtree(folder / ".encore", ignore_errors=True)
                set_params(folder, {"determinism.level": level})
                seconds[variant], peak = measure(command, folder, variables)
                memory.setdefault(variant, []).append(peak)
                print(f"  {table}, round {seed + 1}: {variant:<20} {seconds[variant]:7.1f} s", flush=True)
        for variant, value in seconds.items():
            ratios.setdefault(variant, []).append(value / seconds["plain AutoKeras"])
    for variant, values in ratios.items():
        print(
            f"{table}: {variant:<20} {statistics.median(values):5.2f} of the plain script "
            f"({min(values):.2f} to {max(values):.2f}), peak memory {max(memory[variant]) / 1e6:.0f} MB"
        )


def variants(
    table: str, trials: int, epochs: int, seed: int
) -> dict[str, tuple[list[str], dict[str, str], str]]:
    """List what is compared: command, environment variables and level of determinism."""
    script = PLAIN_IMAGES if table == DIGIT_IMAGES else PLAIN
    plain = [sys.executable, "-c", script, str(trials), str(epochs), str(seed)]
    stage = [sys.executable, "-m", "pipeline", "search"]
    return {
        "plain AutoKeras": (plain, {}, "strict"),
        "Encore": (stage, {}, "strict"),
        "Encore, 2 workers": (stage, {"ENCORE_WORKERS": "2"}, "strict"),
        "Encore, portable": (stage, {}, "portable"),
        "Encore, fast": (stage, {}, "fast"),
    }


def prepare_project(folder: Path, table: str, trials: int, epochs: int, seed: int) -> Path:
    """Copy the project, write the table and prepare it."""
    prepare_files(folder)
    values = TABLES[table](folder) | {
        "seed": seed, "search.max_trials": trials,
        "search.epochs": epochs, "search.patience": PATIENCE, "search.lookahead": 4,
    }  # fmt: skip
    set_params(folder, values)
    command = [sys.executable, "-m", "pipeline", "prepare"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def prepare_files(folder: Path) -> None:
    """Copy what the stages need of the project."""
    for name in ("pipeline", "params.yaml", "requirements.lock"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)


def set_params(folder: Path, values: dict[str, object]) -> None:
    """Write values into the project's params.yaml."""
    apply(None, {key: str(value) for key, value in values.items()}, folder / "params.yaml")


def measure(command: list[str], folder: Path, variables: dict[str, str]) -> tuple[float, int]:
    """Run a command; give its wall-clock seconds and the peak memory of its process tree, in bytes."""
    # Publishing to MLflow is no part of a search.
    environment = (
        os.environ | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    )
    started = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(0.2)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit((folder / "log.txt").read_text()[-3000:])
    return min([seconds, *recorded_seconds(folder)]), peak


def recorded_seconds(folder: Path) -> list[float]:
    """Read how long Encore's stage took, imports included, before it published."""
    records = [json.loads(path.read_text()) for path in folder.glob(".encore/executions/*/execution.json")]
    stages = [record["stages"].get("search", {}) for record in records]
    return [stage["seconds"] for stage in stages if "seconds" in stage]


def tree_memory(pid: int) -> int:
    """Add up the proportional memory of a process and its children: shared pages count once."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            total += process.memory_full_info().pss
    except psutil.Error:
        pass
    return total


def breast_cancer(folder: Path) -> dict[str, object]:
    """Copy the bundled table of 569 rows; give its params."""
    shutil.copyfile(ROOT / "data" / "breast_cancer.csv", folder / "table.csv")
    return {"data.path": "table.csv", "data.target": "diagnosis"}


def large(folder: Path) -> dict[str, object]:
    """Make a table of 20,000 rows and 20 columns; give its params."""
    import pandas as pd
    from sklearn.datasets import make_classification

    x, y = make_classification(20_000, 20, n_informative=10, random_state=0)
    frame = pd.DataFrame(x, columns=[f"x{n}" for n in range(20)]).assign(label=y)
    frame.to_csv(folder / "table.csv", index=False)
    return {"data.path": "table.csv", "data.target": "label"}


def digits(folder: Path) -> dict[str, object]:
    """Write scikit-learn's digits, 1,797 rows of 64 pixels, as a table; give its params."""
    from sklearn.datasets import load_digits

    table = load_digits(as_frame=True).frame
    # Pixels that are the same in every image.
    constant = [name for name in table if table[name].nunique() == 1]
    table.drop(columns=constant).to_csv(folder / "table.csv", index=False)
    return {"data.path": "table.csv", "data.target": "target"}


def digit_images(folder: Path) -> dict[str, object]:
    """Write scikit-learn's digits as 1,797 images of 8 x 8 pixels; give their params."""
    import numpy as np
    from sklearn.datasets import load_digits

    found = load_digits()
    np.savez(folder / "images.npz", x=(found.images * 15).astype(np.uint8), y=found.target)
    return {
        "data.kind": "image", "data.path": "images.npz", "data.target": "null", "data.image_size": "[8, 8]",
        "data.channels": 1,
    }  # fmt: skip


DIGIT_IMAGES = "1,797 images"
TABLES = {"569 x 30": breast_cancer, "1,797 x 61": digits, DIGIT_IMAGES: digit_images, "20,000 x 20": large}


if __name__ == "__main__":
    main()
