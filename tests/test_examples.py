"""Every kind of data and every task, end to end, twice in fresh processes."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tests.conftest import ROOT

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))
FEW = (
    "--search.max_trials", "2", "--search.epochs", "3", "--search.batch_size", "64",
    "--export.formats", "[keras, onnx, litert, savedmodel]",
)  # fmt: skip

READ_BACK = """
import sys, mlflow, pandas as pd
experiment = mlflow.get_experiment_by_name("encore").experiment_id
model = mlflow.search_logged_models([experiment], output_format="list")[0]
rows = pd.read_parquet("prepared/test_rows.parquet")
loaded = mlflow.pyfunc.load_model(model.model_uri)
loaded.predict(rows).to_csv(sys.argv[1], index=False)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The examples' data, made twice by the script that the Makefile calls."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    for folder in folders:
        subprocess.run(
            [sys.executable, "-m", "examples.build"], cwd=folder, check=True, env={"PYTHONPATH": str(ROOT)}
        )
    files = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in folders
    ]
    assert files[0] == files[1]
    return folders[0] / "data" / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs_end_to_end_and_repeats_itself(new_project, built, name):
    project = new_project(name)
    shutil.copytree(built, project.folder / "data" / "examples")
    ran = project.pipeline("run", "--params", f"examples/{name}.yaml", *FEW)
    parity = project.json("exported/parity.json")
    assert parity["keras"]["identical"]
    assert all(parity[form]["maximum_difference"] < 1e-4 for form in ("onnx", "litert", "savedmodel"))
    assert "bit for bit like the live model" in ran.stdout
    scores = project.json("reports/metrics.json")
    assert len(scores) == 3
    metric = "r2" if name.endswith("regression") else "balanced_accuracy"
    assert scores["model"][metric] > scores["dummy"][metric] - 0.05

    before = {
        path: content
        for path, content in project.tracked_files().items()
        if path.startswith(("prep", "sear"))
    }
    shutil.rmtree(project.folder / ".encore")
    for stage in ("prepare", "search"):
        project.pipeline(stage, PYTHONHASHSEED="7")
    after = project.tracked_files()
    assert {path: after[path] for path in before} == before

    if name in {"image_classification", "text_classification"}:
        project.python("-c", READ_BACK, "read.csv")
        read = pd.read_csv(project.folder / "read.csv")
        assert next(iter(read.columns)) == "prediction"
        accuracy = (read["prediction"].astype(str) == labels(project)).mean()
        assert accuracy == pytest.approx(scores["model"]["accuracy"])


def labels(project):
    """The test rows' class names, in order."""
    import numpy as np

    with np.load(project.folder / "prepared" / "arrays.npz") as arrays:
        codes = arrays["y_test"]
    return np.array(project.json("prepared/schema.json")["classes"])[codes]
