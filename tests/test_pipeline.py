"""What one `dvc repro` leaves behind, read by many tests."""

import json
import sys

import mlflow
import numpy as np
import pandas as pd
import pytest

from pipeline.digests import digest_json
from tests.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(finished):
    return mlflow.MlflowClient(f"sqlite:///{finished.folder}/mlflow.db")


@pytest.fixture(scope="module")
def runs(client):
    experiment = client.get_experiment_by_name("encore")
    return client.search_runs([experiment.experiment_id])


@pytest.fixture(scope="module")
def parent(runs):
    (run,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return run


def test_pipeline_ends_with_a_finished_parent_and_one_child_a_trial(runs, parent):
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.info.run_name for run in children) == ["trial-000", "trial-001", "trial-002"]
    assert len(runs) == 4


def test_pipeline_parent_names_the_whole_chain(finished, parent):
    digests = finished.digests()
    tags = parent.data.tags
    for name in ("split", "environment", "proposals", "trials", "weights", "predictions"):
        assert tags[f"encore.digest.{name}"] == digests[name]
    assert tags["encore.digest.data"] == finished.json("prepared/digests.json")["data"]
    assert tags["encore.digest.params"]
    assert tags["encore.digest.code"] == digest_json(finished.json("searched/search.json")["code"])


def test_pipeline_parent_has_params_metrics_note_and_artifacts(client, finished, parent):
    scores = finished.json("reports/metrics.json")
    assert parent.data.params["search.max_trials"] == "3"
    chain = [name for name in sorted(parent.data.params) if name.startswith("digest.")]
    assert [name.split("_", 1)[1] for name in chain] == [
        "data", "split", "params", "code", "environment", "proposals", "trials", "weights", "predictions",
    ]  # fmt: skip
    assert len(parent.data.tags["mlflow.source.git.commit"]) == 40
    assert parent.data.metrics["test.accuracy"] == scores["model"]["accuracy"]
    assert parent.data.metrics["baseline.dummy.accuracy"] == scores["dummy"]["accuracy"]
    assert parent.data.metrics["seconds.search"] > 0
    assert "Structured classification of `diagnosis`" in parent.data.tags["mlflow.note.content"]
    names = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert {
        "trials_table.json",
        "environment.json",
        "params.yaml",
        "prepared",
        "searched",
        "reports",
    } <= names


def test_pipeline_parent_has_the_dataset_with_our_digest(finished, parent):
    entries = {item.dataset.name: item for item in parent.inputs.dataset_inputs}
    assert len(entries) == 3
    expected = finished.json("prepared/digests.json")["data"][:36]
    assert {item.dataset.digest for item in entries.values()} == {expected}


def test_pipeline_children_have_hyperparameters_epochs_and_weights(client, finished, runs):
    trials = finished.json("searched/trials.json")
    for run in runs:
        if "encore.trial" not in run.data.tags:
            continue
        trial = trials[int(run.data.tags["encore.trial"])]
        history = client.get_metric_history(run.info.run_id, "val_loss")
        assert [point.value for point in history] == [epoch["val_loss"] for epoch in trial["epochs"]]
        assert run.data.metrics["score"] == trial["score"]
        assert run.data.tags["encore.digest.weights"] == trial["weights"]["digest"]
        assert float(run.data.params["learning_rate"]) == trial["hyperparameters"]["learning_rate"]


def test_pipeline_model_is_loaded_from_mlflow_and_predicts_like_the_live_one(finished):
    script = """
import json, sys, mlflow, numpy as np, pandas as pd
model = mlflow.search_logged_models(filter_string="name = 'model'", output_format="list",
    experiment_ids=[mlflow.get_experiment_by_name("encore").experiment_id])[0]
loaded = mlflow.pyfunc.load_model(model.model_uri)
rows = pd.read_csv("data/breast_cancer.csv").drop(columns="diagnosis")
rows = rows.iloc[np.load("prepared/split.npz")["rows_test"]]
shuffled = loaded.predict(rows[rows.columns[::-1]])
live = np.load("searched/test_predictions.npy")[:, 0].astype(float)
assert np.array_equal(shuffled["probability_malignant"], live), "predictions differ"
gaps = loaded.predict(rows.drop(columns="mean_area").assign(mean_radius=np.nan).head(2))
assert list(gaps.columns) == ["prediction", "probability_benign", "probability_malignant"]
print(json.dumps(sorted(m for m in sys.modules if m.startswith("pipeline"))))
"""
    said = finished.python("-W", "ignore", "-c", script, PYTHONPATH="").stdout
    assert json.loads(said.splitlines()[-1]) == []


def test_pipeline_model_folder_stands_alone_and_holds_no_pickle(finished):
    folder = finished.folder / "exported/model"
    assert sorted(path.name for path in folder.iterdir()) == [
        "input_example.json",
        "manifest.json",
        "network.keras",
        "preprocessor.skops",
        "pyfunc.py",
        "requirements.txt",
        "schema.json",
        "servable",
    ]
    assert finished.json("exported/parity.json")["keras"]["identical"] is True


@pytest.mark.parametrize("name", ["network.keras", "preprocessor.skops", "schema.json"])
def test_pipeline_model_with_a_damaged_file_is_refused(finished, tmp_path, name):
    script = (
        "import sys, shutil; shutil.copytree('exported/model', sys.argv[1]);"
        "file = sys.argv[1] + '/' + sys.argv[2]; content = bytearray(open(file, 'rb').read());"
        "content[len(content) // 2] ^= 1; open(file, 'wb').write(content);"
        "sys.path.insert(0, sys.argv[1]); import servable; servable.load(sys.argv[1])"
    )
    result = finished.python("-c", script, str(tmp_path / "model"), name, check=False)
    assert result.returncode == 1
    assert f"{name} must have the SHA-256 digest" in result.stderr


def test_pipeline_metrics_and_plots_are_what_dvc_knows(finished):
    metrics = finished.dvc("metrics", "show", "--json").stdout
    shown = json.loads(metrics)[""]["data"]["reports/metrics.json"]["data"]
    assert shown == finished.json("reports/metrics.json")
    assert set(shown) == {"model", "dummy", "gradient_boosting"}
    plots = {path.name for path in (finished.folder / "reports/plots").iterdir()}
    assert {"confusion_matrix.png", "roc.csv", "precision_recall.png", "search.csv"} <= plots
    assert "reports/plots/search.csv" in finished.dvc("plots", "diff", "--json").stdout


def test_pipeline_search_space_and_environment_are_written(finished):
    space = finished.json("searched/space.json")
    assert {"optimizer", "learning_rate"} <= {entry["name"] for entry in space}
    environment = finished.json("searched/environment.json")
    assert environment["python"] == sys.version.split()[0]
    assert environment["determinism"] == {"level": "strict", "threads": 1}


def test_pipeline_test_rows_were_never_trained_on(finished):
    arrays = np.load(finished.folder / "prepared/split.npz")
    parts = [set(arrays[f"rows_{part}"]) for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(pd.read_csv(ROOT / "data/breast_cancer.csv"))


def test_pipeline_second_repro_executes_nothing(finished):
    said = finished.dvc("repro").stdout
    assert "Running stage" not in said
    assert "Data and pipelines are up to date" in said


def test_pipeline_cleanup_never_makes_dvc_search_again(finished):
    finished.pipeline("cleanup")
    assert "Running stage" not in finished.dvc("repro").stdout


def test_pipeline_publish_with_nothing_new_says_so(finished, client, runs):
    assert "nothing to publish" in finished.pipeline("publish").stdout
    experiment = client.get_experiment_by_name("encore")
    assert len(client.search_runs([experiment.experiment_id])) == len(runs)
