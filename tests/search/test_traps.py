"""The traps of AutoKeras 3.0.0 and KerasTuner 1.4.8, each with the cure that must hold."""

import json
from importlib import metadata

import autokeras as ak
import keras
import keras_tuner
import numpy as np
import pytest
from autokeras.engine.tuner import AutoTuner

from pipeline.determinism import derive_seed
from pipeline.files import read_zip
from pipeline.params import Search
from pipeline.search.final_fit import refit
from pipeline.search.outputs import save_network
from pipeline.search.portable import portable
from pipeline.search.task import build_tuner, network_targets
from pipeline.search.trial import build, run_trial

EMPTY = {"space": [], "values": {}}


def test_trap_seed_zero_counts_as_unset_upstream_but_not_here(make_study):
    tuner, _ = make_study(seed=0)
    assert tuner.oracle.seed == derive_seed(0, "oracle") != 0
    upstream = {
        keras_tuner.RandomSearch(lambda hp: None, seed=0, overwrite=True).oracle.seed for _ in range(5)
    }
    assert len(upstream) > 1


def test_trap_keras_pin_holds():
    assert metadata.version("keras").startswith("3.12.")
    assert metadata.version("tensorboard")


def test_trap_decaying_learning_rate_counts_steps_not_epochs(make_study):
    settings = Search(epochs=5, batch_size=10)
    model = build(make_study(settings)[1], keras_tuner.HyperParameters.from_config(
        {"space": [], "values": {"optimizer": "adam_weight_decay"}}))  # fmt: skip
    # 100 rows in batches of 10, for 5 epochs; upstream takes all rows for one batch.
    assert model.optimizer._learning_rate.decay_steps == 50


def test_trap_columns_are_not_analysed_or_encoded_element_by_element(data, tmp_path, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a per-element loop of AutoKeras was run")

    monkeypatch.setattr(ak.analysers.StructuredDataAnalyser, "_update_column", forbidden)
    monkeypatch.setattr(ak.preprocessors.CategoricalToNumerical, "fit", forbidden)
    build_tuner({"kind": "structured", "task": "classification"}, data.x, data.y, Search(), 0, tmp_path)


def test_trap_refit_runs_no_callback_of_autokeras(make_study, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("AutoKeras's own search or final fit was run")

    for name in ("final_fit", "_remove_early_stopping", "get_best_model"):
        monkeypatch.setattr(AutoTuner, name, forbidden)
    _, study = make_study()
    refit(study, run_trial(study, 0, EMPTY)[0])


def test_trap_no_file_is_written_by_a_trial(make_study, tmp_path):
    _, study = make_study()
    before = sorted(tmp_path.rglob("*"))
    run_trial(study, 0, EMPTY)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("task", "values", "shape"),
    [
        ({"task": "classification", "classes": ["a", "b"]}, np.array([0, 1, 1]), (3, 1)),
        ({"task": "classification", "classes": ["a", "b", "c"]}, np.array([0, 2, 1]), (3, 3)),
        ({"task": "regression", "target_mean": 2.0, "target_scale": 2.0}, np.array([0.0, 2.0, 4.0]), (3, 1)),
    ],
)
def test_trap_labels_never_become_strings(task, values, shape):
    targets = network_targets(values, task)
    assert (targets.shape, targets.dtype) == (shape, np.float32)
    if task["task"] == "regression":
        assert targets.ravel().tolist() == [-1.0, 0.0, 1.0]


def test_trap_saved_networks_have_no_date_address_or_optimizer(make_study, tmp_path):
    _, study = make_study()
    record, _ = run_trial(study, 0, EMPTY)
    for name in ("one", "two"):
        save_network(portable(refit(study, record)), tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    members = read_zip(tmp_path / "one.keras")
    assert "date_saved" not in json.loads(members["metadata.json"])
    loaded = keras.models.load_model(tmp_path / "one.keras")
    assert getattr(loaded, "optimizer", None) is None


def test_trap_state_of_the_numpy_generator_does_not_reach_proposals(make_study):
    from pipeline.search.proposals import Proposer

    proposals = []
    for noise in (1, 2):
        tuner, study = make_study(Search(tuner="random", max_trials=3))
        np.random.seed(noise)  # noqa: NPY002
        proposals.append(Proposer(tuner, study.network, 0, Search()).propose(0)["values"])
    assert proposals[0] == proposals[1]
