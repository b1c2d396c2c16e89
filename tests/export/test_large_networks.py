"""Networks of ResNet and EfficientNet kind, with random weights, in every form."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from pipeline.determinism import fix_process, start_tensorflow
from pipeline.export import formats
from pipeline.export.parity import is_close
from pipeline.params import Determinism
from pipeline.search.normalisation import Moments, affine
from pipeline.search.outputs import save_network
from pipeline.search.portable import portable
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
fix_process(Determinism())
start_tensorflow(Determinism())
SIZE = 64
IMAGES = np.random.default_rng(0).integers(0, 255, (12, SIZE, SIZE, 3)).astype(np.uint8)
FRESH = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from servable.networks import load_network
from pathlib import Path
outputs = load_network(Path(sys.argv[2]))(np.load(sys.argv[3]))
assert "autokeras" not in sys.modules
np.save(sys.argv[4], outputs)
"""


def build(application):
    """As AutoKeras builds it: augmentation and dropout around a ready-made network."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = affine(Moments(np.array([120.0] * 3), np.array([70.0**2] * 3)))(keras.layers.Rescaling(1.0)(inputs))
    x = keras.layers.RandomFlip()(keras.layers.RandomTranslation(0.1, 0.1)(x))
    nested = application(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(nested(x)))
    model = keras.Model(
        inputs,
        keras.layers.Dense(5, "softmax", kernel_initializer=keras.initializers.RandomNormal(0, 0.02, 1))(x),
    )
    for layer in nested.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(IMAGES, training=True)  # statistics of these images: signals neither fade nor explode
    return model


@pytest.mark.parametrize("application", [keras.applications.ResNet50V2, keras.applications.EfficientNetB0])
def test_large_network_predicts_alike_in_every_form(application, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    trained = build(application)
    live = trained.predict(IMAGES, verbose=0)
    assert live.std() > 1e-3
    save_network(portable(trained), tmp_path / "network.keras")
    network = keras.models.load_model(tmp_path / "network.keras", compile=False)
    schema = {"task": "classification", "columns": [{"name": "image"}], "classes": list("abcde")}
    about = formats.describe(schema, "none")
    formats.write_onnx(network, tmp_path / "network.onnx", about)
    formats.write_litert(network, tmp_path / "network.tflite", about)
    formats.write_saved_model(network, tmp_path / "savedmodel")
    assert json.loads(about["encore.outputs"]) == list("abcde")
    for name in ("network.keras", "network.onnx", "network.tflite", "savedmodel"):
        files = [str(tmp_path / part) for part in (name, "images.npy", "outputs.npy")]
        subprocess.run(
            [sys.executable, "-c", FRESH, str(ROOT / "pipeline"), *files], check=True, capture_output=True
        )
        outputs = np.load(tmp_path / "outputs.npy")
        assert is_close(live, outputs), f"{name} differs by {np.abs(live - outputs).max()}"
