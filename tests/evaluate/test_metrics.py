import numpy as np
import pytest

from pipeline.digests import digest_tree
from pipeline.evaluate.baselines import baseline_metrics
from pipeline.evaluate.metrics import classification_metrics, regression_metrics
from pipeline.evaluate.plots import plot_classification, plot_regression, plot_search
from pipeline.scores import as_markdown, as_text


def test_classification_metrics_of_a_perfect_model():
    scores = classification_metrics(np.array([0, 1, 2]), np.eye(3))
    assert scores["accuracy"] == scores["roc_auc"] == scores["f1_macro"] == 1.0
    assert scores["log_loss"] == pytest.approx(0.0, abs=1e-6)


def test_classification_metrics_leave_roc_auc_out_where_a_class_is_absent():
    assert "roc_auc" not in classification_metrics(np.array([0, 0]), np.array([[0.9, 0.1], [0.6, 0.4]]))


def test_regression_metrics_are_in_the_targets_unit():
    scores = regression_metrics(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    assert (scores["mae"], scores["rmse"], scores["median_absolute_error"]) == (1.0, 1.0, 1.0)
    assert scores["r2"] == pytest.approx(-0.5)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_baselines_are_the_same_twice_and_boosting_beats_the_dummy(task):
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(300, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64) if task == "classification" else x[:, 0].astype(np.float64)
    arrays = {f"{n}_{p}": v for p in ("train", "validation", "test") for n, v in (("x", x), ("y", y))}
    schema = {"kind": "structured", "task": task, "classes": ["a", "b"]}
    one, two = (baseline_metrics(schema, arrays, with_validation=True, seed=0) for _ in range(2))
    assert one == two
    better = "accuracy" if task == "classification" else "r2"
    assert one["gradient_boosting"][better] > one["dummy"][better]


def test_plots_have_the_same_bytes_twice(tmp_path):
    y = np.array([0, 1, 1, 0])
    trials = [{"number": 0, "score": 0.5}, {"number": 1, "score": None}, {"number": 2, "score": 0.4}]
    digests = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        plot_classification(folder, y, np.array([[0.6, 0.4], [0.3, 0.7], [0.5, 0.5], [0.9, 0.1]]), ["a", "b"])
        plot_regression(folder, y.astype(float), y + 0.5)
        plot_search(folder, trials, "val_loss", "min")
        digests.add(digest_tree(folder))
    assert len(digests) == 1
    assert (tmp_path / "one" / "search.csv").read_text().splitlines()[1:] == [
        "0,0.5,0.5",
        "1,,0.5",
        "2,0.4,0.4",
    ]


def test_scores_put_the_model_first_and_a_dash_where_there_is_none():
    scores = {"dummy": {"accuracy": 0.5}, "model": {"accuracy": 0.9, "roc_auc": 1.0}}
    assert as_text(scores).splitlines()[0].split() == ["test", "set", "model", "dummy"]
    assert as_markdown(scores).splitlines()[-1] == "| roc_auc | 1 | - |"
