"""Normalisation of a network's input: moments computed once, and a frozen affine layer that applies them."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tree
from autokeras.blocks import preprocessing

# Rows of pixels or features that are summed up at once.
_CHUNK = 65_536


class Moments(NamedTuple):
    """Mean and variance of inputs along their last axis, float64."""

    mean: np.ndarray
    variance: np.ndarray


def input_moments(x: np.ndarray) -> Moments | None:
    """Compute mean and variance over all axes but the last, in float64 and a chunk at a time.

    Keras's `adapt` does so in every trial, and makes a float copy of all images for it. Token
    numbers (int32) have none.
    """
    if x.dtype == np.int32:
        return None
    rows = x.reshape(-1, x.shape[-1])
    chunks = [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]
    mean = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in chunks) / len(rows)
    squares = sum(np.square(chunk - mean, dtype=np.float64).sum(axis=0) for chunk in chunks)
    return Moments(np.asarray(mean), np.asarray(squares / len(rows)))


def affine(moments: Moments) -> keras.layers.Rescaling:
    """Make the layer x · 1/σ - μ/σ, with σ no smaller than Keras's epsilon, as `Normalization` has it."""
    deviation = np.maximum(np.sqrt(moments.variance), keras.config.epsilon())
    return keras.layers.Rescaling((1 / deviation).tolist(), (-moments.mean / deviation).tolist())


@contextlib.contextmanager
def normalising(moments: Moments | None) -> Iterator[None]:
    """Have AutoKeras's networks normalise by an affine layer, for as long as this lasts.

    Its own `Normalization` layer keeps constants outside of the graph, which ONNX cannot hold; replaced
    only afterwards, a network would predict other last bits than the one that was trained.
    """
    original = preprocessing.Normalization.build

    def build(block: Any, hp: Any, inputs: Any = None) -> Any:
        if moments is None:
            return original(block, hp, inputs)
        return affine(moments)(tree.flatten(inputs)[0])

    preprocessing.Normalization.build = build
    try:
        yield
    finally:
        preprocessing.Normalization.build = original
