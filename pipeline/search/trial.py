"""The pure trial: (data, hyperparameters, number, seed, settings) in, record and weights out."""

import gc
import pickle
import time
import traceback
from dataclasses import dataclass
from typing import Any, Literal

import keras
import keras_tuner
import numpy as np
import psutil
import tensorflow as tf
from autokeras.engine.tuner import AutoTuner
from pydantic import BaseModel, ConfigDict
from tensorflow.python.framework import ops

from pipeline.determinism import seed_everything
from pipeline.digests import digest_weights
from pipeline.params import Search

# AutoKeras's own threshold for an improvement (autokeras 3.0.0, engine/tuner.py, search).
_MIN_DELTA = 1e-4


class Failure(BaseModel):
    """Why a trial has no result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    message: str
    traceback: str


class TrialRecord(BaseModel):
    """All that a finished trial leaves behind, except its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    # As proposed, and with the values that appeared while the network was built.
    proposal: dict[str, Any]
    hyperparameters: dict[str, Any]
    # Search space entries, as KerasTuner configures them, that this trial brought up.
    discovered: list[dict[str, Any]]
    status: Literal["COMPLETED", "FAILED"]
    # Metrics of each epoch by name, and the epoch (from 0) whose weights count.
    epochs: list[dict[str, float]] = []
    best_epoch: int | None = None
    score: float | None = None
    n_weights: int | None = None
    weights: dict[str, Any] | None = None
    effective_batch_size: int
    error: Failure | None = None
    # Wall clock: for people and MLflow, never part of a digest.
    started: float
    seconds: float

    def outcome(self) -> dict[str, Any]:
        """Give what must be equal in two runs of the same trial: no clock, no stack of a machine."""
        result = self.model_dump(exclude={"started", "seconds", "discovered", "error"})
        error = self.error
        result["error"] = error and {"type": error.type, "message": error.message}
        return result


@dataclass(frozen=True)
class Study:
    """What all trials of a search share."""

    network: bytes  # AutoKeras's hypermodel, pickled in memory
    data: dict[str, np.ndarray]  # x_train, y_train, x_validation, y_validation
    search: Search
    seed: int
    strict: bool
    tensorboard: str | None = None  # a folder for logs, which never change a result


class ModelTooLargeError(Exception):
    """A network with more weights than params allow."""


class NotFiniteError(Exception):
    """An objective that is not a number, or infinite."""


class TooMuchMemoryError(Exception):
    """A process larger than params allow."""


class MemoryLimit(keras.callbacks.Callback):
    """Fail a trial whose process has grown beyond a limit, in MB, by the end of an epoch."""

    def __init__(self, limit_mb: int) -> None:
        super().__init__()
        self.limit_mb = limit_mb

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Raise TooMuchMemoryError above the limit."""
        used_mb = psutil.Process().memory_info().rss // 1_000_000
        if used_mb > self.limit_mb:
            raise TooMuchMemoryError(f"search.max_memory_mb allows {self.limit_mb} MB, but got {used_mb}")


class BestWeights(keras.callbacks.Callback):
    """Keep the weights of the best epoch in memory: no checkpoint files during a trial."""

    def __init__(self, objective: str, direction: str) -> None:
        super().__init__()
        self.objective = objective
        self.sign = 1.0 if direction == "max" else -1.0
        self.epoch: int | None = None
        self.value = -np.inf
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep this epoch's weights where it beats all before; stop where nothing is left to learn."""
        value = self.sign * (logs or {})[self.objective]
        if value > self.value:
            self.epoch, self.value = epoch, value
            self.weights = [np.array(weight) for weight in self.model.get_weights()]
        if not np.isfinite((logs or {})["loss"]):
            self.model.stop_training = True


def build(study: Study, hyperparameters: keras_tuner.HyperParameters) -> keras.Model:
    """Build and compile the network of some hyperparameters, from a clean Keras session."""
    _forget_networks()
    return pickle.loads(study.network).build(hyperparameters)


def _forget_networks() -> None:
    """Free all that networks built before have left in this process.

    TensorFlow registers a custom gradient that is traced in a graph under a new name, for good
    (python/ops/custom_gradient.py, _graph_mode_decorator): each trial would leave its function
    graphs behind, 6 MB of them, and make every later trial slower.
    """
    keras.backend.clear_session()
    registered = ops.gradient_registry._registry
    for name in [name for name in registered if name.startswith("CustomGradient-")]:
        del registered[name]
    gc.collect()


def fit(model: keras.Model, x: np.ndarray, y: np.ndarray, **arguments: Any) -> keras.callbacks.History:
    """Adapt the network's normalisation to `x` and train it."""
    AutoTuner.adapt(model, x)
    # Several steps in one call give the same bits; worth its tracing only where steps are many.
    n_steps = -(-len(x) // arguments["batch_size"])
    model.steps_per_execution = 16 if n_steps >= 128 else 1
    return model.fit(x, y, verbose=0, **arguments)


def run_trial(study: Study, number: int, config: dict[str, Any]) -> tuple[TrialRecord, list[np.ndarray]]:
    """Run one trial: the same arguments always give the same record and weights.

    `config` is the proposal as KerasTuner's HyperParameters configuration (space and values).
    An error, a loss that is not finite or a network too large makes a FAILED record, never an
    exception.
    """
    hyperparameters = keras_tuner.HyperParameters.from_config(config)
    known = len(hyperparameters.space)
    proposal = dict(hyperparameters.values)
    batch_size = study.search.batch_size
    started, clock = time.time(), time.perf_counter()
    result: dict[str, Any] = {"status": "FAILED"}
    weights: list[np.ndarray] = []
    while True:
        try:
            result |= _train(study, number, hyperparameters, batch_size)
            weights = result.pop("best_weights")
        except tf.errors.ResourceExhaustedError as error:
            # AutoKeras halves the batch with a mere print (utils.run_with_adaptive_batch_size).
            if not study.strict and batch_size > 1:
                batch_size //= 2
                continue
            result["error"] = _failure(error)
        except Exception as error:  # noqa: BLE001 - whatever a network does fails its trial only
            result["error"] = _failure(error)
        break
    record = TrialRecord(
        number=number,
        proposal=proposal,
        hyperparameters=dict(hyperparameters.values),
        discovered=hyperparameters.get_config()["space"][known:],
        effective_batch_size=batch_size,
        started=started,
        seconds=time.perf_counter() - clock,
        **result,
    )
    return record, weights


def failed_record(number: int, config: dict[str, Any], error: BaseException) -> TrialRecord:
    """Make the record of a trial that could not even report its failure."""
    return TrialRecord(
        number=number,
        proposal=config["values"],
        hyperparameters=config["values"],
        discovered=[],
        status="FAILED",
        effective_batch_size=0,
        error=_failure(error),
        started=time.time(),
        seconds=0.0,
    )


def _train(
    study: Study, number: int, hyperparameters: keras_tuner.HyperParameters, batch_size: int
) -> dict[str, Any]:
    settings = study.search
    seed_everything(study.seed, "trial", number)
    model = build(study, hyperparameters)
    n_weights = model.count_params()
    if settings.max_model_size and n_weights > settings.max_model_size:
        raise ModelTooLargeError(
            f"search.max_model_size allows {settings.max_model_size} weights, but got {n_weights}"
        )
    best = BestWeights(settings.objective, settings.direction)
    history = fit(
        model,
        study.data["x_train"],
        study.data["y_train"],
        validation_data=(study.data["x_validation"], study.data["y_validation"]),
        batch_size=batch_size,
        # Hyperband gives a trial its own number of epochs. A promoted trial starts anew instead
        # of going on from another trial's weights: else it would be no function of its own inputs.
        epochs=hyperparameters.values.get("tuner/epochs", settings.epochs),
        callbacks=[
            best,
            keras.callbacks.EarlyStopping("val_loss", _MIN_DELTA, settings.patience),
            *_watchers(study, number),
        ],
    ).history
    epochs = [dict(zip(history, map(float, row), strict=True)) for row in zip(*history.values(), strict=True)]
    if best.epoch is None or not np.isfinite(epochs[-1]["loss"]):
        last = epochs[-1]
        raise NotFiniteError(
            f"the loss must stay finite, but got loss {last['loss']} and {settings.objective} "
            f"{last[settings.objective]} in epoch {len(epochs)}"
        )
    model.set_weights(best.weights)
    return {
        "status": "COMPLETED",
        "epochs": epochs,
        "best_epoch": best.epoch,
        "score": epochs[best.epoch][settings.objective],
        "n_weights": n_weights,
        "weights": weights_digest(model),
        "best_weights": best.weights,
    }


def _watchers(study: Study, number: int) -> list[keras.callbacks.Callback]:
    """Give the callbacks that look at a trial and change nothing in it."""
    watchers = []
    if study.search.max_memory_mb:
        watchers.append(MemoryLimit(study.search.max_memory_mb))
    if study.tensorboard:
        folder = f"{study.tensorboard}/trial-{number:03d}"
        watchers.append(keras.callbacks.TensorBoard(folder, write_graph=False))
    return watchers


def weights_digest(model: keras.Model) -> dict[str, Any]:
    """Digest a model's weights, variable by variable."""
    return digest_weights((weight.path, np.array(weight)) for weight in model.weights)


def _failure(error: BaseException) -> Failure:
    lines = str(error).strip().splitlines() or [""]
    return Failure(
        type=type(error).__name__, message=lines[0], traceback="".join(traceback.format_exception(error))
    )
