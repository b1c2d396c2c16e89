"""From a task to AutoKeras's search: its inputs, head and tuner, without its per-element loops."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autokeras as ak
import keras
import numpy as np
import tree
from autokeras import analysers, tuners
from autokeras.engine import io_hypermodel
from autokeras.engine.tuner import AutoTuner
from autokeras.tuners import greedy, task_specific
from autokeras.utils import data_utils

from pipeline.determinism import derive_seed
from pipeline.params import Search
from pipeline.search.space import Narrowing

_TUNERS = {
    "random": tuners.RandomSearch,
    "bayesian": tuners.BayesianOptimization,
    "hyperband": tuners.Hyperband,
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


class PreparedImages(ak.ImageInput):
    """AutoKeras's image input for uint8 images of (height, width, channels)."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        """Cast to float32 by a layer of Keras's own: the saved network loads without AutoKeras."""
        return keras.layers.Rescaling(1.0)(tree.flatten(inputs)[0])


class PreparedTokens(ak.TextInput):
    """AutoKeras's text input for token numbers: its own tokenizer knows 500 words."""

    def __init__(self, n_tokens: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.n_tokens = n_tokens

    def get_config(self) -> dict[str, Any]:
        """Add the number of tokens."""
        return {**super().get_config(), "n_tokens": self.n_tokens}

    def get_analyser(self) -> Any:
        """Look at shape and dtype only."""
        return analysers.InputAnalyser()

    def get_block(self) -> Any:
        """Embed as many tokens as the vocabulary has (the block adds one itself)."""
        return ak.TextBlock(max_tokens=self.n_tokens - 1)

    def get_hyper_preprocessors(self) -> list[Any]:
        """Preprocess nothing: `prepare` did."""
        return []


def input_node(schema: dict[str, Any]) -> Any:
    """Make AutoKeras's input for prepared arrays of this kind."""
    match schema["kind"]:
        case "image":
            return PreparedImages()
        case "text":
            return PreparedTokens(len(schema["vocabulary"]) + 2)  # padding and unknown
    return PreparedTable()


def initial_hyperparameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """List the hyperparameters that a greedy search tries first.

    AutoKeras's own for tables (tuners/task_specific.py). For images its small convolutional one,
    with a deeper one beside it; for text its only one with a learning rate that learns (its own
    decays from 2e-5), and with the strongest word of each filter instead of all positions.
    """
    task = schema["task"]
    head = f"{task}_head_1"
    if schema["kind"] == "structured":
        own = {
            "classification": task_specific.STRUCTURED_DATA_CLASSIFIER,
            "regression": task_specific.STRUCTURED_DATA_REGRESSOR,
        }
        return list(own[task])
    if schema["kind"] == "image":
        small = {
            name.replace("classification_head_1", head): value
            for name, value in task_specific.IMAGE_CLASSIFIER[0].items()
        }
        block = "image_block_1/conv_block_1"
        deeper = small | {f"{block}/num_blocks": 2, f"{block}/filters_1_0": 64, f"{block}/filters_1_1": 64}
        return [small, deeper]
    plain = task_specific.TEXT_CLASSIFIER[0] | {"optimizer": "adam", "learning_rate": 1e-3}
    plain = {name.replace("classification_head_1", head): value for name, value in plain.items()}
    plain.pop("text_block_1/max_tokens")
    block = "text_block_1"
    shallow = plain | {
        f"{block}/conv_block_1/num_blocks": 1,
        f"{block}/conv_block_1/num_layers": 1,
        f"{block}/conv_block_1/max_pooling": False,
        f"{block}/conv_block_1/filters_0_0": 64,
        f"{block}/embedding_1/embedding_dim": 64,
        f"{block}/spatial_reduction_1/reduction_type": "global_max",
        f"{block}/dense_block_1/num_layers": 1,
    }
    return [shallow, plain]


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
    schema: dict[str, Any], x: np.ndarray, y: np.ndarray, settings: Search, seed: int, folder: Path
) -> tuple[AutoTuner, bytes]:
    """Let AutoKeras analyse the training rows and build its tuner.

    Returns the tuner, whose oracle proposes, and its hypermodel as bytes: every trial builds from
    a copy of its own, because building leaves input shapes behind in the shared one.
    """
    captured: list[AutoTuner] = []

    def capture(tuner: AutoTuner, **_: Any) -> None:
        captured.append(tuner)

    model = ak.AutoModel(
        inputs=input_node(schema),
        outputs=ak.ClassificationHead() if schema["task"] == "classification" else ak.RegressionHead(),
        tuner=_without_search(_tuner(schema, settings), capture),
        objective=settings.objective,
        max_trials=settings.max_trials,
        directory=folder,
        overwrite=True,
        seed=derive_seed(seed, "oracle"),
        **({"max_epochs": settings.epochs} if settings.tuner == "hyperband" else {}),
    )
    # Validation rows are only handed on to the tuner's search, which is not run.
    model.fit(x, y, validation_data=(x, y), batch_size=settings.batch_size, verbose=0)
    (tuner,) = captured
    network = tuner.hypermodel
    network.set_io_shapes(data_utils.dataset_shape((x, y)))
    # AutoKeras takes the whole dataset for one batch, so that its decaying learning rate counts
    # epochs instead of steps and is zero almost at once (graph.py, _compile_keras_model).
    network.inputs[0].batch_size = settings.batch_size
    network.set_fit_args(0, epochs=settings.epochs)
    return tuner, pickle.dumps(network)


def _tuner(schema: dict[str, Any], settings: Search) -> type[AutoTuner]:
    if settings.tuner in _TUNERS:
        return _TUNERS[settings.tuner]
    initial = [Narrowing(settings).fit(values) for values in initial_hyperparameters(schema)]

    class FromInitial(greedy.Greedy):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(initial_hps=initial, **arguments)

    return FromInitial


def _without_search(base: type[AutoTuner], search: Callable[..., None]) -> type[AutoTuner]:
    """Derive a tuner whose `search`, which `AutoModel.fit` ends in, hands over to ours."""
    return type(f"Pure{base.__name__}", (base,), {"search": search})
