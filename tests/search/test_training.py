"""Training on arrays in memory: what Keras's own `fit` does, without its input pipeline."""

import keras
import numpy as np
import pytest

from pipeline.search import training
from pipeline.search.training import aligned, train


class InOrder:
    """A generator that leaves rows in their order, as `fit(shuffle=False)` does."""

    def permutation(self, n):
        return np.arange(n)


@pytest.fixture
def make_model(data):
    def make():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((4,))
        hidden = keras.layers.Dense(8, activation="relu")(inputs)
        model = keras.Model(
            inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Dropout(0.2)(hidden))
        )
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        return model

    return make


def flat(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


@pytest.mark.parametrize("weighted", [False, True])
def test_training_gives_what_keras_gives(make_model, data, weighted):
    x, y, n = data
    weights = np.linspace(0.5, 1.5, len(x), dtype=np.float32)
    ours, theirs = make_model(), make_model()
    rows = (x, y, weights) if weighted else (x, y)
    history = train(ours, rows, n_train=n, batch_size=16, epochs=3, order=InOrder())
    expected = theirs.fit(
        x[:n], y[:n], sample_weight=weights[:n] if weighted else None, validation_data=(x[n:], y[n:]), batch_size=16, epochs=3, shuffle=False, verbose=0,
    ).history  # fmt: skip
    assert set(history[0]) == set(expected)
    for name, values in expected.items():
        assert [epoch[name] for epoch in history] == pytest.approx(values, rel=1e-5), name
    assert np.allclose(flat(ours), flat(theirs), atol=1e-6)


def test_training_is_the_same_however_many_steps_a_call_has(make_model, data, monkeypatch):
    weights = []
    for steps in (1, 16):
        monkeypatch.setattr(training, "_STEPS", steps)
        model = make_model()
        train(
            model,
            data[:2],
            n_train=100,
            validate=False,
            batch_size=3,
            epochs=2,
            order=np.random.default_rng(0),
        )
        weights.append(flat(model))
    assert np.array_equal(*weights)


def test_training_shuffles_by_its_generator(make_model, data):
    weights = []
    for seed in (0, 0, 1):
        model = make_model()
        train(
            model,
            data[:2],
            n_train=100,
            batch_size=8,
            epochs=2,
            order=np.random.default_rng(seed),
        )
        weights.append(flat(model))
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_training_stops_where_a_callback_says_so(make_model, data):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    history = train(
        make_model(),
        data[:2],
        n_train=100,
        batch_size=50,
        epochs=9,
        order=InOrder(),
        callbacks=[Stop()],
    )
    assert len(history) == 2


@pytest.mark.parametrize("offset", [0, 1, 3])
@pytest.mark.parametrize("writeable", [True, False])
def test_training_reads_arrays_wherever_they_lie(offset, writeable):
    """TensorFlow ends the whole process on memory that is not aligned (`Check failed: IsAligned()`)."""
    x = np.arange(400, dtype=np.float32)[offset : offset + 300].reshape(100, 3)
    x.flags.writeable = writeable
    found = aligned(x)
    assert found.ctypes.data % 64 == 0
    assert np.array_equal(found, x)
    assert aligned(found) is found
    assert np.array_equal(training._tensor(x)[1:].numpy(), x[1:])
