import dataclasses
import gc
import random

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from pipeline.search import trial as trial_module
from pipeline.search.trial import build, run_trial

DROPOUT = {"space": [], "values": {"structured_data_block_1/dense_block_1/dropout": 0.5}}


def test_trial_is_the_same_whatever_ran_before_it(study):
    first, first_weights = run_trial(study, 3, DROPOUT)
    run_trial(study, 0, {"space": [], "values": {"optimizer": "sgd"}})
    random.seed(9)
    np.random.seed(9)  # noqa: NPY002
    tf.random.set_seed(9)
    tf.random.uniform([3])
    second, second_weights = run_trial(study, 3, DROPOUT)
    assert first.outcome() == second.outcome()
    assert all(np.array_equal(a, b) for a, b in zip(first_weights, second_weights, strict=True))


def test_trial_differs_for_another_number_or_seed(study):
    one = run_trial(study, 0, DROPOUT)[0]
    number = run_trial(study, 1, DROPOUT)[0]
    seed = run_trial(dataclasses.replace(study, seed=1), 0, DROPOUT)[0]
    assert len({r.weights["digest"] for r in (one, number, seed)}) == 3


def test_trial_needs_only_the_values_of_its_record(study):
    record, _ = run_trial(study, 0, DROPOUT)
    rebuilt, _ = run_trial(study, 0, {"space": [], "values": record.hyperparameters})
    assert rebuilt.weights == record.weights


def test_trial_records_best_epoch_score_and_discovered_space(study, default_config):
    record, weights = run_trial(study, 0, default_config)
    losses = [epoch["val_loss"] for epoch in record.epochs]
    assert record.score == min(losses) == losses[record.best_epoch]
    assert record.n_weights == sum(weight.size for weight in weights)
    assert {entry["config"]["name"] for entry in record.discovered} >= {"optimizer", "learning_rate"}


def test_trial_with_a_network_too_large_fails_alone(make_study):
    settings = trial_module.Search(epochs=1, max_model_size=10)
    record, weights = run_trial(make_study(settings)[1], 0, {"space": [], "values": {}})
    assert record.status == "FAILED"
    assert record.error.type == "ModelTooLargeError"
    assert "search.max_model_size allows 10 weights, but got" in record.error.message
    assert weights == []


def test_trial_whose_loss_is_not_finite_fails_with_its_cause(make_study, data):
    broken = data._replace(y=np.full_like(data.y, np.nan))
    study = dataclasses.replace(make_study()[1], data=broken)
    record, _ = run_trial(study, 0, {"space": [], "values": {}})
    assert record.error.type == "NotFiniteError"
    assert "the loss must stay finite, but got loss nan" in record.error.message


def test_trial_that_raises_keeps_type_message_and_traceback(study):
    record, _ = run_trial(study, 0, {"space": [], "values": {"optimizer": "none"}})
    assert record.status == "FAILED"
    assert "Traceback" in record.error.traceback
    assert "traceback" not in record.outcome()["error"]


@pytest.mark.parametrize(("strict", "status", "batch"), [(True, "FAILED", 16), (False, "COMPLETED", 8)])
def test_trial_out_of_memory_fails_or_records_its_smaller_batch(study, monkeypatch, strict, status, batch):
    real_train = trial_module.train

    def train(*arguments, **options):
        if options["batch_size"] > 8:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return real_train(*arguments, **options)

    # The only thing that cannot be had for real here: a GPU without memory.
    monkeypatch.setattr(trial_module, "train", train)
    record, _ = run_trial(dataclasses.replace(study, strict=strict), 0, {"space": [], "values": {}})
    assert (record.status, record.effective_batch_size) == (status, batch)


def test_trial_leaves_no_function_graphs_behind(study, default_config):
    def alive():
        gc.collect()
        return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())

    run_trial(study, 0, default_config)
    build(study, keras_tuner.HyperParameters())  # frees what the trial before it left
    before = alive()
    for number in range(2):
        run_trial(study, number, default_config)
    build(study, keras_tuner.HyperParameters())
    assert alive() <= before


def test_trial_above_the_memory_limit_fails(make_study):
    settings = trial_module.Search(epochs=2, max_memory_mb=100)
    record, _ = run_trial(make_study(settings)[1], 0, {"space": [], "values": {}})
    assert record.error.type == "TooMuchMemoryError"
    assert "search.max_memory_mb allows 100 MB, but got" in record.error.message


def test_trial_with_tensorboard_is_the_same_to_the_bit(study, tmp_path):
    plain, _ = run_trial(study, 0, DROPOUT)
    logged, _ = run_trial(dataclasses.replace(study, tensorboard=str(tmp_path / "logs")), 0, DROPOUT)
    assert logged.outcome() == plain.outcome()
    assert list((tmp_path / "logs" / "trial-000").rglob("events.out.*"))
