"""The pure trial: (data, hyperparameters, number, seed, settings) in, record and weights out."""

import gc
import pickle
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import keras_tuner
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from pipeline.determinism import numpy_generator, seed_everything
from pipeline.digests import digest_weights
from pipeline.params import Search
from pipeline.search.callbacks import BestWeights, watchers
from pipeline.search.normalisation import Moments, normalising
from pipeline.search.record import TrialRecord, failure
from pipeline.search.space import NarrowedHyperParameters, Narrowing, local_weights
from pipeline.search.training import train

# AutoKeras's own threshold for an improvement (autokeras 3.0.0, engine/tuner.py, search).
_MIN_DELTA = 1e-4


class Data(NamedTuple):
    """The rows that a search sees, as networks take them."""

    x: np.ndarray  # the training rows, then the validation rows
    y: np.ndarray  # float32, (n, 1) or one-hot
    n_train: int


@dataclass(frozen=True)
class Study:
    """What all trials of a search share."""

    network: bytes  # AutoKeras's hypermodel, pickled in memory
    data: Data
    search: Search
    seed: int
    strict: bool
    # Mean and variance of the training inputs' last axis, where networks normalise them.
    moments: Moments | None = None
    tensorboard: str | None = None  # a folder for logs, which never change a result


class ModelTooLargeError(Exception):
    """A network with more weights than params allow."""


class NotFiniteError(Exception):
    """An objective that is not a number, or infinite."""


def build(study: Study, hyperparameters: keras_tuner.HyperParameters) -> keras.Model:
    """Build and compile the network of some hyperparameters, from a clean Keras session."""
    _forget_networks()
    with local_weights(study.search.pretrained), normalising(study.moments):
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


def hyperparameters_of(study: Study, config: dict[str, Any]) -> keras_tuner.HyperParameters:
    """Read KerasTuner's configuration of hyperparameters, to be narrowed as params say."""
    return NarrowedHyperParameters.load(config, Narrowing(study.search))


def row_weights(y: np.ndarray, n_train: int, settings: Search) -> list[np.ndarray]:
    """Give the rows' weights in the training loss, where the settings ask for some."""
    if settings.class_weights is None:
        return []
    weights = class_weights(y[:n_train])
    return [np.array([weights[code] for code in _codes(y)], np.float32)]


def class_weights(y: np.ndarray) -> dict[int, float]:
    """Weigh classes by n_rows / (n_classes * rows of the class), as scikit-learn's `balanced` does."""
    counts = np.bincount(_codes(y), minlength=max(2, y.shape[1]))
    return {code: float(len(y) / (len(counts) * max(1, count))) for code, count in enumerate(counts)}


def _codes(y: np.ndarray) -> np.ndarray:
    return y[:, 0].astype(int) if y.shape[1] == 1 else y.argmax(axis=1)


def run_trial(study: Study, number: int, config: dict[str, Any]) -> tuple[TrialRecord, list[np.ndarray]]:
    """Run one trial: the same arguments always give the same record and weights.

    `config` is the proposal as KerasTuner's HyperParameters configuration (space and values).
    An error, a loss that is not finite or a network too large makes a FAILED record, never an
    exception.
    """
    hyperparameters = hyperparameters_of(study, config)
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
            result["error"] = failure(error)
        except Exception as error:  # noqa: BLE001 - whatever a network does fails its trial only
            result["error"] = failure(error)
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
    logs = f"{study.tensorboard}/trial-{number:03d}" if study.tensorboard else None
    best = BestWeights(settings.objective, settings.direction)
    x, y, n_train = study.data
    epochs = train(
        model,
        (x, y, *row_weights(y, n_train, settings)),
        n_train=n_train,
        batch_size=batch_size,
        # Hyperband gives a trial its own number of epochs. A promoted trial starts anew instead
        # of going on from another trial's weights: else it would be no function of its own inputs.
        epochs=hyperparameters.values.get("tuner/epochs", settings.epochs),
        order=numpy_generator(study.seed, "batches", number),
        callbacks=[
            best,
            keras.callbacks.EarlyStopping("val_loss", _MIN_DELTA, settings.patience),
            *watchers(settings, logs),
        ],
    )
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


def weights_digest(model: keras.Model) -> dict[str, Any]:
    """Digest a model's weights, variable by variable."""
    return digest_weights((weight.path, np.array(weight)) for weight in model.weights)
