"""Rebuilding trials of a finished search, each in a fresh process, without its checkpoints."""

import json
import shutil
import sys

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(finished, new_project):
    """A project like the finished one, with its outputs and its MLflow store, and no scratch."""
    project = new_project("rebuild")
    for name in ("prepared", "searched", "exported", "reports", "mlruns"):
        shutil.copytree(finished.folder / name, project.folder / name)
    shutil.copyfile(finished.folder / "mlflow.db", project.folder / "mlflow.db")
    return project


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_trial_is_rebuilt_with_its_recorded_weights(place, number):
    ran = place.pipeline("rebuild", ".", "--trial", str(number))
    digest = place.json("searched/trials.json")[number]["weights"]["digest"]
    assert f"proved: weights digest {digest}" in ran.stdout


def test_a_trial_is_rebuilt_from_its_run_in_mlflow_and_serves(finished, place, tmp_path):
    uri = f"sqlite:///{finished.folder}/mlflow.db"
    # Neither prepared/ nor the data is here: it comes from a DVC remote.
    shutil.rmtree(place.folder / "prepared")
    data = "data/breast_cancer.csv"
    place.run("git", "rm", "--cached", "-q", data)
    place.dvc("add", data)
    place.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    place.dvc("push", data)
    (place.folder / data).unlink()
    shutil.rmtree(place.folder / ".dvc/cache")
    ran = place.pipeline("rebuild", "latest", "--trial", "1", MLFLOW_TRACKING_URI=uri)
    assert f"{data} is not here; trying `dvc pull`" in ran.stdout
    assert "preparing the run's own data again" in ran.stdout
    (folder,) = [path for path in (place.folder / "rebuilt").glob("pipeline-*-trial-001")]
    about = json.loads((folder / "rebuilt.json").read_text())
    assert (about["proved"], about["trial"], about["differing"]) == (True, 1, [])
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import servable, pandas as pd\n"
        "print(servable.load(sys.argv[1]).predict(pd.read_parquet(sys.argv[2])).shape)"
    )
    rows = finished.folder / "prepared" / "test_rows.parquet"
    shown = place.run(sys.executable, "-B", "-c", script, str(folder / "model"), str(rows)).stdout
    assert f"({len(pd.read_parquet(rows))}, 3)" in shown


def test_a_trial_of_another_environment_is_refused_and_marked_where_it_is_wanted(finished, new_project):
    project = new_project("elsewhere")
    for name in ("prepared", "searched"):
        shutil.copytree(finished.folder / name, project.folder / name)
    path = project.folder / "searched" / "search.json"
    path.write_text(
        path.read_text().replace(project.json("searched/search.json")["digests"]["environment"], "0" * 64)
    )
    refused = project.pipeline("rebuild", ".", "--trial", "0", check=False)
    assert refused.returncode == 1
    assert "those of the run, but environment differs." in refused.stderr
    assert not (project.folder / "rebuilt").exists()
    done = project.pipeline("rebuild", ".", "--trial", "0", "--anyway")
    assert "warning: " in done.stderr
    assert project.json(f"rebuilt/{project.folder.name}-trial-000/rebuilt.json")["differing"] == [
        "environment"
    ]
    unknown = project.pipeline("rebuild", ".", "--trial", "9", check=False)
    assert "--trial must be one of 0 to 2" in unknown.stderr
