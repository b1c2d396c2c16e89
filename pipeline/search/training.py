"""Training a network on arrays in memory, many steps in each call of one graph.

Keras's `fit` makes a tf.data pipeline and iterators anew in every epoch; on small data they take most
of its time (70 ms of an epoch's 75 on a table of 341 rows). Here each step takes its rows from a tensor
by number, and everything else is Keras's own: `train_step`, `test_step`, metrics, callbacks.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Steps in one call. Python handles no signal while it runs: on large networks this is the wait for Ctrl-C.
_STEPS = 16
# Bytes; where TensorFlow reads memory that is not its own (tensorflow 2.21, core/framework/allocator.h).
_ALIGNMENT = 64


def train(
    model: keras.Model,
    data: Sequence[np.ndarray],
    *,
    n_train: int,
    validate: bool = True,
    batch_size: int,
    epochs: int,
    order: np.random.Generator,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> list[dict[str, float]]:
    """Train a compiled model; give the metrics of each epoch, as `fit` names them.

    `data` is (x, y) or (x, y, weights of the rows): `n_train` rows to train on, in another order in each
    epoch, drawn from `order`; the others validate, without weights. A callback may set
    `model.stop_training`.
    """
    model._symbolic_build(data_batch=tuple(array[:1] for array in data))
    tensors = [_tensor(array) for array in data]
    train_rows = _steps(model.train_step, tensors, batch_size)
    test_rows = _steps(model.test_step, tensors[:2], batch_size)
    validation = np.arange(n_train, len(data[0]))
    model.stop_training = False
    watching = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs)
    watching.on_train_begin()
    history = []
    for epoch in range(epochs):
        watching.on_epoch_begin(epoch)
        logs = _metrics(model, train_rows, order.permutation(n_train))
        if validate:
            tested = _metrics(model, test_rows, validation)
            logs |= {f"val_{name}": value for name, value in tested.items()}
        history.append(logs)
        watching.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    watching.on_train_end(history[-1])
    return history


def _metrics(model: keras.Model, steps: Callable[[np.ndarray], None], rows: np.ndarray) -> dict[str, float]:
    model.reset_metrics()
    steps(rows)
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def aligned(array: np.ndarray) -> np.ndarray:
    """Give an array that TensorFlow can read where it lies: itself, or a copy."""
    if array.ctypes.data % _ALIGNMENT == 0 and array.flags.c_contiguous and array.flags.writeable:
        return array
    buffer = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    first = -buffer.ctypes.data % _ALIGNMENT
    copy = buffer[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _tensor(array: np.ndarray) -> tf.Tensor:
    """Make a tensor of an array's own memory: `tf.constant` takes twice as much again."""
    return tf.experimental.dlpack.from_dlpack(aligned(array).__dlpack__())


def _steps(
    step: Callable[[Any], Any], tensors: Sequence[tf.Tensor], batch_size: int
) -> Callable[[np.ndarray], None]:
    """Make a function that runs a step for each batch of some row numbers, in their order."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])  # type: ignore[untyped-decorator]
    def run(rows: tf.Tensor) -> None:
        for start in tf.range(0, tf.size(rows), batch_size):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            batch = rows[start : start + batch_size]
            # In the machine's own memory: a batch at a time goes to the GPU, where there is one.
            with tf.device("CPU:0"):
                parts = tuple([tf.gather(tensor, batch) for tensor in tensors])
            step(parts)

    def run_all(rows: np.ndarray) -> None:
        for first in range(0, len(rows), _STEPS * batch_size):
            run(tf.constant(rows[first : first + _STEPS * batch_size], tf.int64))

    return run_all
