"""The forms of a model: what they hold, that they are proved, and what is refused."""

import json
import shutil
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.errors import ParamsError
from pipeline.export import installed
from pipeline.export.installed import check_installed
from pipeline.export.parity import compare_classes, compare_outputs, is_close
from pipeline.params import Export
from tests.conftest import Project
from tests.export.conftest import FORMATS

OTHERS = ["onnx", "litert", "savedmodel"]


@pytest.mark.slow
def test_forms_are_all_proved_in_parity_json(served):
    parity = served.json("exported/parity.json")
    assert parity["keras"]["identical"]
    for form in OTHERS:
        assert parity[form]["rows"] == 114
        assert parity[form]["maximum_difference"] < 1e-5
        assert parity[form]["class_changes_beyond_tolerance"] == 0
    int8 = parity["litert_int8"]
    assert set(int8["test_score"]) == set(int8["test_score_of_keras"]) == {"accuracy"}
    assert int8["bytes"] < parity["litert"]["bytes"]


@pytest.mark.slow
def test_forms_cost_is_published_and_kept_out_of_what_dvc_tracks(served):
    script = """
import json, mlflow
run = mlflow.search_runs(search_all_experiments=True, filter_string="tags.`encore.kind` = 'pipeline'", output_format="list")[0]
logged = json.loads(mlflow.artifacts.load_text(run.info.artifact_uri + "/exported/parity.json"))
for form in ("keras", "onnx", "litert", "savedmodel", "litert_int8"):
    for cost in ("load_seconds", "memory_bytes", "seconds_a_row_at_1", "seconds_a_row_at_256"):
        assert logged[form][cost] > 0
        assert run.data.metrics[f"export.{form}.{cost}"] == logged[form][cost]
"""
    served.python("-W", "ignore", "-c", script)
    assert "seconds" not in (served.folder / "exported/parity.json").read_text()


@pytest.mark.slow
def test_forms_are_the_same_bytes_in_another_process(served, tmp_path):
    shutil.copytree(served.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("mlruns", "mlflow.db"))
    Project(tmp_path / "copy").pipeline("export", PYTHONHASHSEED="99")
    files = [
        path.relative_to(served.folder) for path in (served.folder / "exported").rglob("*") if path.is_file()
    ]
    assert len(files) > 15
    for path in files:
        assert (tmp_path / "copy" / path).read_bytes() == (served.folder / path).read_bytes(), path


@pytest.mark.slow
def test_forms_carry_names_shapes_and_labels(served):
    import onnx

    model = onnx.load(served.folder / "exported/model/network.onnx")
    about = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert about["encore.outputs"] == ["benign", "malignant"]
    assert about["encore.inputs"][:2] == ["mean_radius", "mean_texture"]
    (entry,) = model.graph.input
    shape = [dim.dim_param or dim.dim_value for dim in entry.type.tensor_type.shape.dim]
    assert (entry.name, shape) == ("inputs", ["rows", 60])
    with zipfile.ZipFile(served.folder / "exported/network.tflite") as archive:
        assert json.loads(archive.read("encore.outputs.json")) == ["benign", "malignant"]


@pytest.mark.slow
def test_form_for_serving_needs_no_tensorflow_and_no_keras(served):
    folder = served.folder / "exported/model"
    requirements = (folder / "requirements.txt").read_text().split()
    names = [line.partition("==")[0] for line in requirements]
    assert names == ["numpy", "onnxruntime", "pandas", "scikit-learn", "skops"]
    script = (
        "import sys, pandas as pd; sys.path.insert(0, 'exported/model'); import servable;"
        "print(servable.load('exported/model').predict(pd.read_csv('data/breast_cancer.csv').head(2)));"
        "assert not {'tensorflow', 'keras', 'mlflow', 'PIL', 'pipeline'} & set(sys.modules)"
    )
    assert "malignant" in served.run(sys.executable, "-I", "-B", "-c", script).stdout


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "litert", "savedmodel"])
def test_form_of_another_network_stops_the_stage_and_leaves_no_model(served, tmp_path, form):
    """The conversion is broken for real: it is given a network with one weight changed."""
    copy = tmp_path / "copy"
    shutil.copytree(served.folder, copy, ignore=shutil.ignore_patterns("mlruns", "mlflow.db", ".encore"))
    path = copy / "pipeline/export/stage.py"
    text = path.read_text()
    changed = "    network = keras.models.load_model(paths.NETWORK, compile=False)\n"
    assert changed in text
    broken = changed + "    network.weights[0].assign(network.weights[0] + 0.1)\n"
    path.write_text(text.replace(changed, broken))
    project = Project(copy)
    project.update({"export.formats": ["keras", form], "export.int8": False})
    result = project.pipeline("export", check=False)
    assert result.returncode == 1
    assert f"The form '{form}' must predict the 114 test rows like the live model, to 0.001" in result.stderr
    assert list((copy / "exported").iterdir()) == []


def test_form_that_is_not_installed_is_refused_before_anything_runs(project, monkeypatch):
    monkeypatch.setattr(installed.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ParamsError, match=r"onnx, onnxruntime, tf2onnx are missing. Run `python -m pip install"
    ):
        check_installed(Export(formats=["keras", "onnx"]))
    with pytest.raises(ParamsError, match="ai_edge_litert is missing"):
        check_installed(Export(int8=True))
    check_installed(Export(formats=["keras", "savedmodel"]))


def test_form_unknown_to_params_is_refused(project):
    project.update({"export.formats": ["pickle"]})
    result = project.pipeline("check", check=False)
    assert result.returncode == 1
    assert "export.formats" in result.stderr
    assert str(paths.PARAMS) in result.stderr


def test_comparison_counts_changed_classes_and_how_clear_they_were():
    live = np.array([[0.9, 0.1], [0.50001, 0.49999], [0.2, 0.8]])
    loaded = np.array([[0.1, 0.9], [0.49999, 0.50001], [0.2, 0.8]])
    assert compare_classes(live, loaded) == {"class_changes": 2, "class_changes_beyond_tolerance": 1}


@pytest.mark.parametrize(("moved", "close"), [(0.0, True), (5e-4, True), (3e-3, False), (np.nan, False)])
def test_comparison_is_close_within_the_tolerance_only(moved, close):
    live = np.zeros((3, 2), np.float32)
    loaded = live.copy()
    loaded[1, 1] = moved
    assert is_close(live, loaded) is close
    assert not is_close(live, loaded[:2])
    assert compare_outputs(live, live)["identical"]


def test_formats_of_params_are_those_of_these_tests():
    assert list(Export.model_fields["formats"].annotation.__args__[0].__args__) == FORMATS


@pytest.mark.slow
def test_predict_gives_what_the_servable_model_gives(served, tmp_path):
    target = tmp_path / "out.csv"
    said = served.pipeline("predict", "data/breast_cancer.csv", str(target)).stdout
    assert "569 rows" in said
    predicted = pd.read_csv(target)
    assert list(predicted.columns) == ["prediction", "probability_benign", "probability_malignant"]
    rows = np.load(served.folder / "prepared/split.npz")["rows_test"]
    live = np.load(served.folder / "searched/test_predictions.npy")[:, 0]
    assert np.allclose(predicted["probability_malignant"].to_numpy()[rows], live, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "must be a .csv, .tsv or .parquet file, but there is none"),
        ("rows.txt", "a\n1\n", "must be a .csv, .tsv or .parquet file, but ends in '.txt'"),
        ("rows.csv", "mean_radius\n1\nwide\n", "column 'mean_radius' must hold numbers, but got text in 1 rows (1: 'wide')"),
        ("rows.csv", "other\n1\n", "rows must have at least one of the model's columns"),
    ],
)  # fmt: skip
def test_predict_with_bad_input_says_so_and_writes_nothing(served, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    result = served.pipeline("predict", str(tmp_path / name), str(tmp_path / "out.csv"), check=False)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not [path for path in tmp_path.iterdir() if "out.csv" in path.name]
