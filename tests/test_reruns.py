"""Equality shown by digests from fresh processes."""

import shutil

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def second(new_project):
    """The same in another folder, with another hash seed, more verbosity and tracking out of reach."""
    project = new_project("a-longer-path-for-the-second-one")
    project.dvc(
        "repro",
        "-f",
        PYTHONHASHSEED="4711",
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        TF_CPP_MIN_LOG_LEVEL="0",
        ENCORE_WORKERS="1",
    )
    return project


def test_rerun_in_another_folder_gives_the_same_digests(finished, second):
    assert second.digests() == finished.digests()


def test_rerun_gives_the_same_bytes_in_every_tracked_file(finished, second):
    one, two = finished.tracked_files(), second.tracked_files()
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []


def test_rerun_whose_server_was_unreachable_is_published_later_and_once(second):
    unreachable = second.pipeline("publish", check=False, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert unreachable.returncode == 1
    assert unreachable.stderr.count("Nothing is lost") == 1
    assert "published as MLflow run" in second.pipeline("publish").stdout
    assert "nothing to publish" in second.pipeline("publish").stdout
    count = (
        "import mlflow; print(len(mlflow.search_runs(search_all_experiments=True, output_format='list')),"
        "len(mlflow.search_logged_models(output_format='list', experiment_ids=['1'])))"
    )
    assert second.python("-W", "ignore", "-c", count).stdout.split()[-2:] == ["4", "1"]


def test_rerun_of_the_search_alone_skips_everything_after_it(second):
    said = second.dvc("repro", "-f", "-s", "search").stdout
    assert "from the journal" in said
    assert "Running stage" not in second.dvc("repro").stdout


def test_rerun_from_a_deleted_journal_gives_the_same_digests(second):
    before = second.digests()
    shutil.rmtree(second.folder / ".encore")
    said = second.dvc("repro", "-f", "-s", "search").stdout
    assert "from the journal" not in said
    assert second.digests() == before


@pytest.mark.parametrize("seed", [1])
def test_rerun_with_another_seed_reproduces_itself_and_differs(finished, new_project, seed):
    digests = []
    for name in ("seed-once", "seed-again"):
        project = new_project(name)
        project.update({"seed": seed, "search.max_trials": 2, "evaluate.baselines": False})
        project.dvc("repro", PYTHONHASHSEED=str(len(name)))
        digests.append(project.digests())
    assert digests[0] == digests[1]
    zero = finished.digests()
    assert all(digests[0][name] != zero[name] for name in ("split", "trials", "weights", "predictions"))


def test_rerun_with_changed_params_and_back_is_restored_and_named_as_reused(finished, new_project):
    project = new_project("back-and-forth")
    project.update({"search.max_trials": 1})
    project.pipeline("run")
    project.pipeline("run", "--search.max_trials", "2")
    said = project.pipeline("run", "--search.max_trials", "1").stdout
    assert "Running stage 'search'" not in said
    script = """
import mlflow
runs = [r for r in mlflow.search_runs(search_all_experiments=True, output_format="list",
        order_by=["start_time asc"]) if r.data.tags["encore.kind"] == "pipeline"]
first, _, last = runs
assert {r.info.status for r in runs} == {"FINISHED"}, runs
assert last.data.tags["encore.stage.search"] == "reused"
assert last.data.tags["encore.reused_from"] == first.info.run_id
same = [k for k in first.data.tags if k.startswith("encore.digest.")]
assert all(first.data.tags[k] == last.data.tags[k] for k in same), same
"""
    project.python("-W", "ignore", "-c", script)
