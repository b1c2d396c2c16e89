"""Equality shown by digests from fresh processes."""

import contextlib
import os
import pty
import shutil
import subprocess
import sys

import pytest

from pipeline.determinism import GUARANTEES

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
first, other, last = runs
notes = [run.data.tags["mlflow.note.content"] for run in runs]
assert "Compared with" not in notes[0]
assert f"Compared with [{first.info.run_name}](#/experiments/" in notes[1]
assert "**diverged at params**; params, proposals, trials" in notes[1]
assert f"python -m pipeline compare {first.info.run_id} {other.info.run_id}`" in notes[1]
assert f"/runs/{first.info.run_id}): **identical**, every digest is the same." in notes[2], notes[2]
assert {r.info.status for r in runs} == {"FINISHED"}, runs
assert last.data.tags["encore.stage.search"] == "reused"
assert last.data.tags["encore.reused_from"] == first.info.run_id
same = [k for k in first.data.tags if k.startswith("encore.digest.")]
assert all(first.data.tags[k] == last.data.tags[k] for k in same), same
"""
    project.python("-W", "ignore", "-c", script)


def test_rerun_on_a_terminal_gives_the_same_digests(finished, new_project):
    project = new_project("terminal")
    project.pipeline("prepare")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "search"],
        cwd=project.folder,
        env=project.environment(TERM="xterm-256color"),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal that nobody writes to with an error
        while part := os.read(ours, 10_000):
            shown += part
    assert process.wait() == 0, shown
    assert "━" in shown.decode(errors="replace")
    assert project.json("searched/search.json") == finished.json("searched/search.json")


def test_rerun_of_a_search_cut_by_time_is_told_its_number_of_trials(new_project):
    project = new_project("cut")
    project.update({"search.max_minutes": 0.0001, "search.epochs": 1})
    for stage in ("prepare", "search"):
        project.pipeline(stage)
    summary = (project.folder / "searched" / "search.json").read_bytes()
    script = """
import mlflow
(run,) = [r for r in mlflow.search_runs(experiment_names=["encore"], output_format="list") if "mlflow.parentRunId" not in r.data.tags]
assert run.data.params["search.max_trials"] == "1", run.data.params["search.max_trials"]
assert "was cut after 1 trials by search.max_minutes" in run.data.tags["mlflow.note.content"]
"""
    project.python("-W", "ignore", "-c", script)
    project.pipeline("search")
    assert (project.folder / "searched" / "search.json").read_bytes() == summary


def test_rerun_with_failed_trials_logs_them_as_failed_runs(new_project):
    project = new_project("failing")
    # Of four proposals on this table only the last has few enough weights: 2,106.
    project.update(
        {"search.max_trials": 4, "search.max_model_size": 2110, "search.max_consecutive_failures": 4}
    )
    project.pipeline("run")
    trials = project.json("searched/trials.json")
    failed = [trial["number"] for trial in trials if trial["status"] == "FAILED"]
    assert failed
    script = f"""
import mlflow
runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
failed = sorted(int(r.data.tags["encore.trial"]) for r in runs if r.info.status == "FAILED")
assert failed == {failed}, failed
run = next(r for r in runs if r.info.status == "FAILED")
assert run.data.tags["encore.error"].startswith("ModelTooLargeError: search.max_model_size allows 2110")
assert "Traceback" in mlflow.artifacts.load_text(run.info.artifact_uri + "/traceback.txt")
parent = next(r for r in runs if r.data.tags["encore.kind"] == "pipeline")
assert parent.info.status == "FINISHED" and parent.data.metrics["search.n_failed"] == len(failed)
print(parent.info.run_id)
"""
    run_id = project.python("-W", "ignore", "-c", script).stdout.split()[-1]

    project.pipeline("run", "--search.warm_start", run_id, "--search.max_trials", "2", "--seed", "1")
    best = min((trial for trial in trials if trial["score"] is not None), key=lambda trial: trial["score"])
    first = project.json("searched/trials.json")[0]
    assert first["proposal"] == best["hyperparameters"]
    wrong = project.pipeline("search", check=False)
    assert wrong.returncode == 0
    project.update({"search.warm_start": "0" * 32})
    wrong = project.pipeline("search", check=False)
    assert "search.warm_start must be the id of a pipeline's run" in wrong.stderr


@pytest.mark.parametrize("level", ["portable", "fast"])
def test_rerun_at_other_levels_reproduces_itself_and_says_what_it_guarantees(new_project, level):
    project = new_project(level)
    project.update({"determinism.level": level, "search.max_trials": 1})
    project.pipeline("prepare")
    digests = []
    for _ in range(2):
        project.run("rm", "-rf", ".encore")
        project.pipeline("search")
        digests.append(project.json("searched/search.json")["digests"])
    if level == "portable":
        assert digests[0] == digests[1]
    assert digests[0]["environment"] == digests[1]["environment"]
    assert project.json("searched/search.json")["guarantee"] == GUARANTEES[level]
