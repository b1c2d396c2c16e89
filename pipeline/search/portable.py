"""The network that is saved: the trained one in Keras's standard layers, with nothing left of training."""

from typing import Any

import keras
import numpy as np

from pipeline.errors import ParityError
from pipeline.search.normalisation import Moments, affine

# These do nothing outside of training, but with one of them in it an exported graph runs later layers
# as in training (keras 3.12, export/saved_model.py), and ONNX knows none of them.
_TRAINING_ONLY = (
    keras.layers.Dropout,
    keras.layers.RandomContrast,
    keras.layers.RandomFlip,
    keras.layers.RandomRotation,
    keras.layers.RandomTranslation,
    keras.layers.RandomZoom,
)
# How far a network's outputs may move, in multiples of 1 + their size: float32 sums in another order.
_TOLERANCE = 1e-4


def portable(model: keras.Model) -> keras.Model:
    """Rewrite a trained network, nested ones included; its layers, and their weights, are shared.

    Dropout and augmentation go; `Normalization` becomes an affine layer, or goes where it does nothing;
    loss and optimizer are left behind. Raises TypeError for a layer that is not Keras's own: the
    file would not load without the code that defines it.
    """
    affines: dict[int, keras.layers.Layer] = {}

    def call(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, _TRAINING_ONLY):
            return inputs[0]
        if isinstance(layer, keras.layers.Normalization):
            moments = Moments(*(np.asarray(layer_moment).ravel() for layer_moment in _moments(layer)))
            if not moments.mean.any() and (moments.variance == 1).all():
                return inputs[0]
            return affines.setdefault(id(layer), affine(moments))(inputs[0])
        if not type(layer).__module__.startswith("keras."):
            raise TypeError(
                f"layer {layer.name!r} must be one of Keras's own, but is {type(layer).__module__}."
                f"{type(layer).__name__}; name its standard equal in {__name__}"
            )
        return layer(*inputs, **options)

    cloned = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call, recursive=True
    )
    return keras.Model(cloned.inputs, cloned.outputs, name="network")


def _moments(layer: keras.layers.Normalization) -> tuple[np.ndarray, np.ndarray]:
    as_array = keras.ops.convert_to_numpy
    return as_array(layer.mean).astype(np.float64), as_array(layer.variance).astype(np.float64)


def check_rewritten(trained: np.ndarray, rewritten: np.ndarray) -> float:
    """Compare the outputs of a trained and a rewritten network over the same rows.

    Returns the largest difference. Raises ParityError where it is more than float32 explains.
    """
    difference = np.abs(trained.astype(np.float64) - rewritten)
    if not (difference <= _TOLERANCE * (1 + np.abs(trained))).all():
        raise ParityError(
            f"The network, rewritten into Keras's standard layers, must predict like the trained one to "
            f"{_TOLERANCE:g}, but differs by up to {difference.max():g}. Report this with its params.yaml."
        )
    return float(difference.max(initial=0.0))
