"""`python -m benchmarks.trial`: where the time of a small trial goes.

Trials of AutoKeras's first hyperparameters on the bundled table, in one process; the medians of each part,
as shares of the whole. The first epoch traces the training and the test step; what it takes beyond a later
epoch is given for that.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.search import breast_cancer, prepare_files, set_params


def main() -> None:
    """Measure some trials and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare_files(folder)
        set_params(folder, breast_cancer(folder) | {"search.epochs": arguments.epochs, "search.patience": 99})
        os.chdir(folder)
        parts = measure(arguments.trials)
    whole = statistics.median(parts["whole trial"])
    for name, seconds in parts.items():
        share = statistics.median(seconds) / whole
        print(f"{name:<44} {share:6.1%}  {1000 * statistics.median(seconds):7.0f} ms")


def measure(n_trials: int) -> dict[str, list[float]]:
    """Time the parts of some trials, the first of which warms up."""
    from pipeline.determinism import fix_process, start_tensorflow
    from pipeline.params import read_params

    params = read_params()
    fix_process(params.determinism)
    start_tensorflow(params.determinism)

    import keras
    import numpy as np

    from pipeline import paths
    from pipeline.files import read_json
    from pipeline.prepare.stage import run as prepare
    from pipeline.search import trial
    from pipeline.search.preload import freeze
    from pipeline.search.study import join_rows, make_study
    from pipeline.search.task import initial_hyperparameters

    prepare(params)
    freeze()
    schema = read_json(paths.SCHEMA, made_by="prepare")
    with np.load(paths.ARRAYS) as archive:
        data = join_rows(archive, schema)
    _, study = make_study(params, schema, data, Path("tuner"))
    config = {"space": [], "values": initial_hyperparameters(schema)[0]}
    clock: dict[str, float] = {}

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            name = "first" if epoch == 0 else "later"
            clock[name] = clock.get(name, 0.0) + time.perf_counter() - self.began

    def timed(name: str, function):
        def call(*arguments, **named):
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                clock[name] = clock.get(name, 0.0) + time.perf_counter() - started

        return call

    trial._forget_networks = timed("collect", trial._forget_networks)
    trial.build = timed("build", trial.build)
    trial.weights_digest = timed("digest", trial.weights_digest)
    trial.watchers = lambda *_: [Epochs()]
    parts: dict[str, list[float]] = {}
    for number in range(n_trials + 1):
        clock.clear()
        started = time.perf_counter()
        record, _ = trial.run_trial(study, number, config)
        whole = time.perf_counter() - started
        if number == 0:
            continue
        later = clock["later"] / (len(record.epochs) - 1)
        found = {
            "whole trial": whole,
            "freeing the network before (collection)": clock["collect"],
            "building the network": clock["build"] - clock["collect"],
            "tracing the training and the test step": clock["first"] - later,
            f"{len(record.epochs)} epochs of training and validation": clock["later"] + later,
            "digest of the weights": clock["digest"],
        }
        found["the rest (optimizer, checkpoints in memory)"] = 2 * whole - sum(found.values())
        for name, seconds in found.items():
            parts.setdefault(name, []).append(seconds)
    return parts


if __name__ == "__main__":
    main()
