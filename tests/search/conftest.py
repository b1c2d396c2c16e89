"""A small study, built once in this process with real data and the real tuner."""

import pickle

import numpy as np
import pytest

from pipeline.determinism import fix_process, start_tensorflow
from pipeline.params import Determinism, Search

fix_process(Determinism())
start_tensorflow(Determinism())

from sklearn.datasets import load_iris  # noqa: E402

from pipeline.search.normalisation import input_moments  # noqa: E402
from pipeline.search.task import build_tuner, network_targets  # noqa: E402
from pipeline.search.trial import Data, Study  # noqa: E402

SEARCH = Search(max_trials=4, epochs=3, batch_size=16)
SCHEMA = {"task": "classification", "classes": ["setosa", "versicolor", "virginica"]}


@pytest.fixture(scope="session")
def data():
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)[order]
    targets = network_targets(y[order], SCHEMA)
    return Data(x, targets, 100)


@pytest.fixture
def make_study(data, tmp_path):
    """Build a tuner and a study for some settings."""

    def make(settings=SEARCH, *, seed=0, strict=True, task="classification"):
        tuner, network = build_tuner(
            {"kind": "structured", "task": task},
            data.x[:100],
            data.y[:100],
            settings,
            seed,
            tmp_path / "tuner",
        )
        return tuner, Study(network, data, settings, seed, strict, input_moments(data.x[:100]))

    return make


@pytest.fixture
def study(make_study):
    return make_study()[1]


@pytest.fixture
def default_config(study):
    """A proposal with no values: every hyperparameter takes its default."""
    assert pickle.loads(study.network)
    return {"space": [], "values": {}}
