"""The network that is saved: standard layers, no training mode, the trained network's predictions."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import ParityError
from pipeline.export.formats import write_saved_model
from pipeline.search.outputs import save_network
from pipeline.search.portable import check_rewritten, portable
from pipeline.servable.networks import load_network

LAYERS = keras.layers
IMAGES = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3)).astype(np.uint8)


def augmented():
    """Augmentation before batch normalisation and dropout, as AutoKeras builds it, with a nested network."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    inner_input = keras.Input((30, 30, 8))
    hidden = LAYERS.Dropout(0.5)(LAYERS.Conv2D(4, 3)(inner_input))
    inner = keras.Model(inner_input, LAYERS.BatchNormalization()(hidden), name="inner")
    inputs = keras.Input((32, 32, 3), dtype="uint8")
    x = LAYERS.Rescaling(1 / 255)(inputs)
    for layer in (
        LAYERS.RandomTranslation(0.1, 0.1), LAYERS.RandomFlip(), LAYERS.RandomRotation(0.1),
        LAYERS.RandomZoom(0.1), LAYERS.RandomContrast(0.1),
    ):  # fmt: skip
        x = layer(x)
    x = inner(LAYERS.BatchNormalization()(LAYERS.Conv2D(8, 3)(x)))
    outputs = LAYERS.Dense(3, activation="softmax")(LAYERS.Dropout(0.5)(LAYERS.Flatten()(x)))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    model.fit(IMAGES, np.eye(3)[np.arange(40) % 3], epochs=1, verbose=0)
    return model


def every_layer(model):
    for layer in model.layers:
        yield layer
        yield from every_layer(layer) if isinstance(layer, keras.Model) else ()


def test_portable_network_with_augmentation_predicts_as_in_inference_wherever_it_goes(tmp_path):
    """Upstream, later layers of an exported network run in training mode: see the FACTS of this trap."""
    model = augmented()
    expected = model.predict(IMAGES, verbose=0)
    broken, sound = tmp_path / "broken", tmp_path / "sound"
    model.export(broken, verbose=False)
    upstream = tf.saved_model.load(broken)
    assert np.abs(upstream.serve(IMAGES).numpy() - expected).max() > 1e-3, (
        "the trap is gone: say so in docs/decisions.md"
    )

    network = portable(model)
    # A compiled model's own predictions may differ in the last bits of convolutions.
    assert check_rewritten(expected, network.predict(IMAGES, verbose=0)) < 1e-6
    write_saved_model(network, sound)
    assert np.abs(load_network(sound)(IMAGES) - expected).max() < 1e-5


def test_portable_network_has_no_layer_of_training_nested_ones_included():
    names = {type(layer).__name__ for layer in every_layer(portable(augmented()))}
    assert names == {
        "InputLayer", "Rescaling", "Conv2D", "BatchNormalization", "Functional", "Flatten", "Dense",
    }  # fmt: skip


@pytest.mark.parametrize("adapted", [False, True])
def test_portable_network_normalises_by_an_affine_layer_or_not_at_all(adapted):
    layer = LAYERS.Normalization()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, LAYERS.Dense(1)(layer(inputs)))
    x = np.random.default_rng(0).normal(5, 3, (50, 4)).astype(np.float32)
    if adapted:
        layer.adapt(x)
    network = portable(model)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["InputLayer", *(["Rescaling"] if adapted else []), "Dense"]
    moved = check_rewritten(model.predict(x, verbose=0), network.predict(x, verbose=0))
    assert moved < 1e-5
    assert moved == 0 or adapted


def test_portable_network_loads_without_autokeras_and_is_the_same_bytes_twice(tmp_path):
    for name in ("a", "b"):
        save_network(portable(augmented()), tmp_path / f"{name}.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    script = (
        "import sys, keras, numpy as np; m = keras.models.load_model(sys.argv[1]);"
        "assert 'autokeras' not in sys.modules;"
        "np.save(sys.argv[2], m.predict(np.load(sys.argv[3]), verbose=0))"
    )
    np.save(tmp_path / "x.npy", IMAGES)
    files = [str(tmp_path / name) for name in ("a.keras", "out.npy", "x.npy")]
    subprocess.run([sys.executable, "-c", script, *files], check=True, capture_output=True)
    assert np.allclose(np.load(tmp_path / "out.npy"), augmented().predict(IMAGES, verbose=0), atol=1e-6)


def test_portable_refuses_a_layer_that_only_its_own_code_can_load():
    class Own(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    inputs = keras.Input((2,))
    with pytest.raises(TypeError, match=r"must be one of Keras's own, but is .*Own"):
        portable(keras.Model(inputs, Own()(inputs)))


def test_rewriting_that_moves_outputs_is_refused():
    with pytest.raises(ParityError, match=r"but differs by up to 0\.01"):
        check_rewritten(np.zeros((2, 1)), np.array([[0.0], [0.01]]))
