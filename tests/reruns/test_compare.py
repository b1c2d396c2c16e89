"""For each cause, two real runs that differ by it, and what `compare` names first."""

import json
import shutil

import pytest

from pipeline.reruns.compare import units_in_the_last_place

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(finished, new_project):
    """Compare the finished run with one that was changed before it was searched."""

    def compare(name, change, *, results=("prepared", "searched")):
        project = new_project(name)
        for folder in results:
            shutil.copytree(finished.folder / folder, project.folder / folder)
        change(project)
        return project, _compare(finished, finished.folder, project.folder)

    return compare


def _compare(project, *runs):
    result = project.pipeline("compare", *map(str, runs), "--json", check=False)
    assert result.returncode in (0, 1), result.stderr
    said = json.loads(result.stdout)
    assert result.returncode == (0 if said["identical"] else 1)
    return said


def search_with(**params):
    def change(project):
        project.update({key.replace("__", "."): value for key, value in params.items()})
        project.pipeline("prepare")
        project.pipeline("search", MLFLOW_TRACKING_URI="http://127.0.0.1:9")

    return change


def test_compare_of_a_run_with_itself_is_identical(finished):
    said = _compare(finished, finished.folder, "latest")
    assert said["verdict"] == "identical: every digest is the same"
    assert said["causes"] == []
    assert list(said["links"]) == [
        "data", "split", "params", "code", "environment", "proposals", "trials", "weights", "predictions", "metrics",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "params", "first", "cause"),
    [
        ("another-seed", {"seed": 1}, "split", "another seed"),
        ("more-threads", {"determinism__threads": 2}, "params", "another determinism.threads"),
        ("portable-level", {"determinism__level": "portable"}, "params", "another determinism.level"),
        ("fewer-trials", {"search__max_trials": 2}, "params", "params that decide how many trials there are"),
    ],
)
def test_compare_names_the_param_that_differs(pair, name, params, first, cause):
    _, said = pair(name, search_with(**params))
    assert said["first"] == first
    assert said["causes"][0]["what"] == cause
    if params == {"seed": 1}:
        assert said["differences"]["split"][0].startswith("train: ")


def test_compare_names_an_edited_row(pair):
    def change(project):
        table = project.folder / "data/breast_cancer.csv"
        lines = table.read_text().splitlines()
        lines[5] = lines[5].replace("0.", "0.1", 1)
        table.write_text("\n".join(lines) + "\n")
        search_with()(project)

    _, said = pair("edited-row", change)
    assert said["first"] == "data"
    assert said["causes"][0]["what"] == "the data file differs"
    assert "1 of 569 rows differ" in said["causes"][0]["evidence"]
    assert "the first is line 6" in said["causes"][0]["evidence"]


def test_compare_names_an_edited_source_file_and_where_the_trials_part(pair):
    def change(project):
        source = project.folder / "pipeline/search/trial.py"
        source.write_text(source.read_text().replace('"trial", number', '"trial ", number'))
        search_with()(project)

    _, said = pair("edited-code", change)
    assert said["first"] == "code"
    assert said["causes"][0]["what"] == "the code that trains differs"
    assert said["causes"][0]["evidence"].startswith(
        "pipeline/search/trial.py; the first number that differs: trial 0"
    )
    assert "trial 0, epoch 0, " in said["differences"]["trials"][0]
    assert " in the last place)" in said["differences"]["trials"][0]


def test_compare_names_an_edited_final_fit_and_the_first_variable_that_differs(pair):
    def change(project):
        source = project.folder / "pipeline/search/final_fit.py"
        source.write_text(source.read_text().replace('"final fit"', '"last fit"'))
        search_with()(project)

    _, said = pair("edited-final-fit", change)
    assert said["verdict"] == "same trials, other model"
    assert said["causes"][0]["evidence"] == "pipeline/search/final_fit.py"
    assert "variables differ, the first is dense/kernel" in said["differences"]["weights"][0]


def edit(path, change):
    def apply(project):
        value = project.json(path)
        change(value)
        (project.folder / path).write_text(json.dumps(value))
        summary = project.json("searched/search.json")
        summary["digests"]["environment"] = "edited"
        (project.folder / "searched/search.json").write_text(json.dumps(summary))

    return apply


def test_compare_names_another_package_version_in_the_record(pair):
    newer = edit("searched/environment.json", lambda env: env["packages"].update(keras="3.99.0"))
    _, said = pair("newer-keras", newer)
    assert said["first"] == "environment"
    assert said["causes"][0]["what"] == "other packages"
    assert said["causes"][0]["evidence"].endswith("→ 3.99.0")
    assert said["verdict"] == "same results, although environment differs"


def test_compare_names_onednn_in_the_record(pair):
    off = edit("searched/environment.json", lambda env: env["variables"].update(TF_ENABLE_ONEDNN_OPTS="0"))
    _, said = pair("onednn-off", off)
    assert said["causes"][0]["what"] == "oneDNN switched"


def test_compare_with_equal_inputs_and_other_results_says_what_is_not_recorded(pair):
    def change(project):
        trials = project.json("searched/trials.json")
        trials[1]["epochs"][1]["val_loss"] += 1e-6
        (project.folder / "searched/trials.json").write_text(json.dumps(trials))
        summary = project.json("searched/search.json")
        summary["digests"]["trials"] = "other"
        (project.folder / "searched/search.json").write_text(json.dumps(summary))

    _, said = pair("unrecorded", change)
    assert said["verdict"] == "diverged at trials"
    assert said["causes"][0]["what"] == "every recorded input is the same, and the results still differ"
    assert "trial 1, epoch 1, val_loss" in said["causes"][0]["evidence"]
    assert "microcode" in said["causes"][0]["next_step"]


def test_compare_of_a_run_that_is_not_there_cannot_tell(finished):
    for source in ("0" * 32, "no-such-run", "data"):
        result = finished.pipeline("compare", "latest", source, check=False)
        assert result.returncode == 2
        assert "could not tell:" in result.stderr


def test_compare_text_starts_with_the_verdict(finished):
    result = finished.pipeline("compare", "latest", str(finished.folder))
    assert result.stdout.splitlines()[0] == "identical: every digest is the same"
    assert "= weights" in result.stdout


@pytest.mark.parametrize(
    ("a", "b", "apart"), [(1.0, 1.0, 0), (1.0, 1.0000001192092896, 1), (0.0, -0.0, 0), (-1e-45, 1e-45, 2)]
)
def test_units_in_the_last_place_are_counted_in_float32(a, b, apart):
    assert units_in_the_last_place(a, b) == apart
