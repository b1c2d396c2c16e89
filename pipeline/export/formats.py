"""The network in other forms: ONNX, LiteRT, SavedModel, each the same bytes every time.

All three are made of one frozen graph, whose weights are constants: what Keras and TensorFlow write by
themselves carries random names, identifiers and the order of sets.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from pipeline.files import write_whole

_OPSET = 18
# Training rows that int8 ranges are measured on.
_CALIBRATION_ROWS = 300


def write_onnx(network: keras.Model, path: Path, about: dict[str, str]) -> None:
    """Write an ONNX file with dynamic batch size, `about` in its metadata."""
    import onnx
    import tf2onnx

    function, spec = _function(network)
    model, _ = tf2onnx.convert.from_function(function, [spec], opset=_OPSET)
    _rename(model.graph)
    model.producer_version = tf2onnx.__version__
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    write_whole(path, model.SerializeToString(deterministic=True))


def write_saved_model(network: keras.Model, folder: Path) -> None:
    """Write a SavedModel with one signature, `serving_default`: `inputs` in, `output_0` out."""
    # Gradients, which nobody takes of a frozen graph, would be saved with what they captured.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    signatures = {"serving_default": _frozen(network)}
    tf.saved_model.save(tf.Module(), folder, signatures=signatures, options=options)
    # A random identifier, which loading does without.
    (folder / "fingerprint.pb").unlink()


def write_litert(
    network: keras.Model, path: Path, about: dict[str, str], calibration: np.ndarray | None = None
) -> None:
    """Write a .tflite file; with calibration rows, weights and sums become int8.

    Inputs and outputs keep their types. `about` is a zip behind the model, as LiteRT's own metadata
    tools leave files with it: `zipfile` opens the model and finds it.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_frozen(network)])
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = _rows(calibration)
    content = io.BytesIO(converter.convert())
    with zipfile.ZipFile(content, "a") as archive:
        for name, text in about.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.json"), text)
    write_whole(path, content.getvalue())


def describe(schema: dict[str, Any], weights: str) -> dict[str, str]:
    """Say what a form's inputs and outputs are: JSON texts by name."""
    names = schema.get("features") or [column["name"] for column in schema["columns"]]
    told = {
        "task": schema["task"],
        "inputs": names,
        "outputs": schema.get("classes", ["value"]),
        "scaling": {key: schema[key] for key in ("target_mean", "target_scale") if key in schema},
        "weights": weights,
    }
    return {f"encore.{name}": json.dumps(value, ensure_ascii=False) for name, value in told.items()}


def _rows(calibration: np.ndarray) -> Callable[[], Iterator[list[np.ndarray]]]:
    places = np.linspace(0, len(calibration) - 1, min(_CALIBRATION_ROWS, len(calibration))).astype(int)
    return lambda: ([calibration[place : place + 1]] for place in places)


def _function(network: keras.Model) -> tuple[Any, tf.TensorSpec]:
    (entry,) = network.inputs
    spec = tf.TensorSpec((None, *entry.shape[1:]), entry.dtype, name="inputs")

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]
    def infer(inputs: tf.Tensor) -> tf.Tensor:
        return network(inputs, training=False)

    return infer, spec


def _frozen(network: keras.Model) -> Any:
    return convert_variables_to_constants_v2(_function(network)[0].get_concrete_function())


def _rename(graph: Any) -> None:
    """Name everything by its place: tf2onnx numbers names in the order of Python's sets."""
    kept = {graph.input[0].name: "inputs", graph.output[0].name: "outputs"}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    names: dict[str, str] = dict(kept)
    used: list[Any] = []
    for place, node in enumerate(graph.node):
        for name in node.input:
            if name in constants and name not in names:
                names[name] = f"constant_{len(used)}"
                used.append(constants[name])
        for n, name in enumerate(node.output):
            names.setdefault(name, f"{node.op_type}_{place}_{n}")
        node.name = f"{node.op_type}_{place}"
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for tensor in used:
        tensor.name = names[tensor.name]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(used)
    graph.name = "network"
    for entry in (*graph.input, *graph.output):
        entry.name = names[entry.name]
        entry.type.tensor_type.shape.dim[0].dim_param = "rows"
