"""A trained network in whichever form it was exported, behind one function: a batch in, outputs out."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Network = Callable[[np.ndarray], np.ndarray]


def choose_form(folder: Path) -> Path:
    """Choose the form to serve with: ONNX where the model has it and its runtime is installed, else Keras."""
    fast = folder / "network.onnx"
    if fast.exists() and importlib.util.find_spec("onnxruntime") is not None:
        return fast
    return folder / "network.keras"


def load_network(path: Path) -> Network:
    """Load a network by its name: .keras, .onnx, .tflite, or a SavedModel folder.

    The function that is returned takes inputs of (n_rows, …) and gives float32 of (n_rows, n_outputs).
    """
    match path.suffix:
        case ".onnx":
            return _onnx(path)
        case ".tflite":
            return _litert(path)
        case ".keras":
            return _keras(path)
    return _saved_model(path)


def _keras(path: Path) -> Network:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    model = keras.models.load_model(path, compile=False, safe_mode=True)
    # What `predict` computes for a batch, without the input pipeline that it makes for every call.
    return lambda inputs: np.asarray(model.predict_on_batch(inputs))


def _onnx(path: Path) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One request, one thread: requests come side by side, and sums keep their order.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (name,) = (entry.name for entry in session.get_inputs())
    return lambda inputs: session.run(None, {name: inputs})[0]


def _litert(path: Path) -> Network:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(inputs: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(entry["index"], inputs.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], inputs)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return run


def _saved_model(path: Path) -> Network:
    import tensorflow as tf

    loaded: Any = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]

    def run(inputs: np.ndarray) -> np.ndarray:
        # `loaded` is held on to: it owns what `serve` runs.
        assert loaded is not None
        (outputs,) = serve(inputs=tf.constant(inputs)).values()
        return np.asarray(outputs)

    return run
