"""From a task to AutoKeras's search: its inputs, head and tuner, without its per-element loops."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autokeras as ak
import numpy as np
from autokeras import analysers, tuners
from autokeras.engine import io_hypermodel
from autokeras.engine.tuner import AutoTuner
from autokeras.tuners import task_specific
from autokeras.utils import data_utils

from pipeline.determinism import derive_seed
from pipeline.params import Search

_TUNERS = {
    "random": tuners.RandomSearch,
    "bayesian": tuners.BayesianOptimization,
    "hyperband": tuners.Hyperband,
}
# AutoKeras's own choice for a task: greedy, starting from hyperparameters known to be good.
_GREEDY = {
    "classification": task_specific.StructuredDataClassifierTuner,
    "regression": task_specific.StructuredDataRegressorTuner,
}


class PreparedTable(ak.StructuredDataInput):
    """AutoKeras's table input for columns that `prepare` has already made float32.

    AutoKeras guesses column types and encodes categories by Python loops over every element,
    again in every trial (autokeras 3.0.0, analysers/input_analysers.py and
    preprocessors/encoders.py); nothing of that is left to do here.
    """

    def get_analyser(self) -> Any:
        """Look at shape and dtype only."""
        return analysers.InputAnalyser()

    def config_from_analyser(self, analyser: Any) -> None:
        """Take shape and dtype; there are no column types to take."""
        io_hypermodel.IOHyperModel.config_from_analyser(self, analyser)

    def get_hyper_preprocessors(self) -> list[Any]:
        """Preprocess nothing: `prepare` did."""
        return []


def network_targets(codes_or_values: np.ndarray, schema: dict[str, Any]) -> np.ndarray:
    """Turn prepared targets into what the network learns, float32.

    Two classes: 0 or 1, shape (n, 1). More: one-hot, shape (n, n_classes). Regression: the
    value less the training mean, over the training deviation, shape (n, 1).
    """
    if schema["task"] == "regression":
        scaled = (codes_or_values - schema["target_mean"]) / schema["target_scale"]
        return scaled.astype(np.float32).reshape(-1, 1)
    n_classes = len(schema["classes"])
    if n_classes == 2:
        return codes_or_values.astype(np.float32).reshape(-1, 1)
    return np.eye(n_classes, dtype=np.float32)[codes_or_values]


def build_tuner(
    task: str,
    data: dict[str, np.ndarray],
    settings: Search,
    seed: int,
    folder: Path,
) -> tuple[AutoTuner, bytes]:
    """Let AutoKeras analyse the data and build its tuner.

    Returns the tuner, whose oracle proposes, and its hypermodel as bytes: every trial builds from
    a copy of its own, because building leaves input shapes behind in the shared one.
    """
    captured: list[AutoTuner] = []

    def capture(tuner: AutoTuner, **_: Any) -> None:
        captured.append(tuner)

    head = ak.ClassificationHead() if task == "classification" else ak.RegressionHead()
    model = ak.AutoModel(
        inputs=PreparedTable(),
        outputs=head,
        tuner=_without_search(_TUNERS.get(settings.tuner, _GREEDY[task]), capture),
        objective=settings.objective,
        max_trials=settings.max_trials,
        directory=folder,
        overwrite=True,
        seed=derive_seed(seed, "oracle"),
        **({"max_epochs": settings.epochs} if settings.tuner == "hyperband" else {}),
    )
    model.fit(
        data["x_train"],
        data["y_train"],
        validation_data=(data["x_validation"], data["y_validation"]),
        batch_size=settings.batch_size,
        verbose=0,
    )
    (tuner,) = captured
    network = tuner.hypermodel
    network.set_io_shapes(data_utils.dataset_shape((data["x_train"], data["y_train"])))
    # AutoKeras takes the whole dataset for one batch, so that its decaying learning rate counts
    # epochs instead of steps and is zero almost at once (graph.py, _compile_keras_model).
    network.inputs[0].batch_size = settings.batch_size
    network.set_fit_args(0, epochs=settings.epochs)
    return tuner, pickle.dumps(network)


def _without_search(base: type[AutoTuner], search: Callable[..., None]) -> type[AutoTuner]:
    """Derive a tuner whose `search`, which `AutoModel.fit` ends in, hands over to ours."""
    return type(f"Pure{base.__name__}", (base,), {"search": search})
