"""Running searches again: `verify`, `reproduce`; and several runs side by side."""

import json
import resource
import shutil
import subprocess
import sys

import pytest

from tests.conftest import Project

pytestmark = pytest.mark.slow

PUBLISHED = """
import json, mlflow
run = mlflow.search_runs(search_all_experiments=True, filter_string="tags.`encore.kind` = 'pipeline'",
                         output_format="list", order_by=["start_time DESC"])[0]
found = json.loads(mlflow.artifacts.load_text(run.info.artifact_uri + "/verification.json"))
print(json.dumps([run.data.tags["encore.verified"], run.data.tags["encore.verified.how"], found]))
"""


@pytest.fixture(scope="module")
def parallel(new_project):
    """A search of two trials at once, which any number of workers may run."""
    project = new_project("verified")
    project.pipeline("run", "--search.lookahead", "2")
    return project


def published(project):
    return json.loads(project.python("-W", "ignore", "-c", PUBLISHED).stdout.splitlines()[-1])


def test_verify_of_a_search_is_the_same_with_one_worker_and_two_and_says_so_in_mlflow(parallel):
    before = parallel.tracked_files()
    said = parallel.pipeline("verify", "--workers", "1,2").stdout
    assert said.count(": the same, ") == 2
    assert "verified: pipeline-" in said
    verdict, how, found = published(parallel)
    assert verdict == "verified"
    assert how == "the whole search, 1 worker; the whole search, 2 workers"
    assert all(check["seconds"] > 0 and check["differences"] == [] for check in found["checks"])
    assert parallel.tracked_files() == before


def test_verify_of_chosen_trials_takes_the_same_ones_every_time(parallel):
    said = [parallel.pipeline("verify", "latest", "--trials", "2").stdout.splitlines()[0] for _ in range(2)]
    assert said[0] == said[1]
    assert said[0].startswith("verify: trials ")
    assert published(parallel)[1] == said[0].removeprefix("verify: ")


@pytest.mark.parametrize("words", [[], ["--trials", "3"]])
def test_verify_finds_a_run_whose_record_is_not_what_comes_out(parallel, tmp_path, words):
    copy = Project(shutil.copytree(parallel.folder, tmp_path / "copy"))
    trials = copy.json("searched/trials.json")
    trials[1]["weights"]["digest"] = "0" * 64
    (copy.folder / "searched/trials.json").write_text(json.dumps(trials))
    summary = copy.json("searched/search.json")
    summary["digests"]["trials"] = "0" * 64
    (copy.folder / "searched/search.json").write_text(json.dumps(summary))
    result = copy.pipeline("verify", ".", *words, check=False)
    assert result.returncode == 1
    assert "different: ." in result.stdout
    assert "trial 1" in result.stdout


def test_verify_after_an_edit_of_the_code_names_the_file(parallel, tmp_path):
    copy = Project(shutil.copytree(parallel.folder, tmp_path / "copy"))
    source = copy.folder / "pipeline/search/training.py"
    source.write_text(source.read_text().replace("_STEPS = 16", "_STEPS = 8"))
    result = copy.pipeline("verify", ".", check=False)
    assert result.returncode == 1
    assert "because: the code that trains differs (pipeline/search/training.py)" in result.stdout


@pytest.mark.parametrize("words", [["--workers", "0"], ["--workers", "1,x"], ["--trials", "0"]])
def test_verify_refuses_numbers_that_are_none(parallel, words):
    result = parallel.pipeline("verify", *words, check=False)
    assert result.returncode == 1
    assert "--workers must be numbers from 1 up" in result.stderr


@pytest.fixture
def original(new_project):
    """A run of a commit with changes that were not committed: other code, other params."""
    project = new_project("original")
    source = project.folder / "pipeline/search/final_fit.py"
    source.write_text(source.read_text().replace('"final fit"', '"last fit"'))
    project.pipeline("run", "--seed", "3")
    return project


def test_reproduce_brings_an_empty_clone_to_the_same_digests(original, tmp_path):
    clone = Project(tmp_path / "clone")
    subprocess.run(["git", "clone", "-q", str(original.folder), str(clone.folder)], check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    clone.run("git", *identity, "commit", "-q", "--allow-empty", "-m", "later")
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{original.folder}/mlflow.db"}
    run = original.python(
        "-W", "ignore", "-c",
        "import mlflow; print(mlflow.search_runs(search_all_experiments=True, output_format='list',"
        "filter_string=\"tags.`encore.kind` = 'pipeline'\")[0].info.run_id)",
    ).stdout.split()[-1]  # fmt: skip

    (clone.folder / "README.md").write_text("mine")
    refused = clone.pipeline("reproduce", run, check=False, **store)
    assert refused.returncode == 1
    assert "this folder has 1 local changes (README.md), which would be lost" in refused.stderr
    clone.run("git", "checkout", "-q", "README.md")

    said = clone.pipeline("reproduce", run, **store).stdout
    assert "applied the changes that were not committed" in said
    assert "identical: every digest is the same" in said
    assert clone.digests() == original.digests()
    assert "last fit" in (clone.folder / "pipeline/search/final_fit.py").read_text()


def test_compare_of_three_runs_gives_a_matrix(parallel, finished):
    folders = [str(parallel.folder), str(finished.folder), str(parallel.folder)]
    result = finished.pipeline("compare", *folders, "--json", check=False)
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert found["verdict"] == "2 different params: the first link in which the runs differ"
    assert found["links"]["data"] == ["A", "A", "A"]
    assert found["links"]["params"] == ["A", "B", "A"]
    same = finished.pipeline("compare", folders[0], folders[0], folders[2])
    assert same.stdout.startswith("identical: all 3 runs have every digest in common")
    alone = finished.pipeline("compare", folders[0], check=False)
    assert alone.returncode == 2
    assert "could not tell: compare takes two runs or more" in alone.stderr


def test_compare_writes_a_page_that_needs_nothing_else(parallel, finished, tmp_path):
    page = tmp_path / "page.html"
    finished.pipeline("compare", str(parallel.folder), str(finished.folder), "--html", str(page), check=False)
    text = page.read_text()
    assert "<h1>same results, although params differs</h1>" in text
    assert "search.lookahead: 2 → 1" in text
    assert "http" not in text
    assert "<script" not in text


def test_compare_of_runs_with_200_trials_takes_little(finished, tmp_path):
    """Records multiplied from a real run's; the promise is three seconds of CPU."""
    for name in ("a", "b"):
        copy = Project(tmp_path / name)
        for part in ("prepared", "searched", "reports"):
            shutil.copytree(finished.folder / part, copy.folder / part)
        shutil.copyfile(finished.folder / "params.yaml", copy.folder / "params.yaml")
        trials = copy.json("searched/trials.json")
        many = [trials[n % len(trials)] | {"number": n} for n in range(200)]
        if name == "b":
            many[199] = many[199] | {"epochs": [epoch | {"loss": 9.0} for epoch in many[199]["epochs"]]}
            summary = copy.json("searched/search.json")
            summary["digests"]["trials"] = "0" * 64
            (copy.folder / "searched/search.json").write_text(json.dumps(summary))
        (copy.folder / "searched/trials.json").write_text(json.dumps(many))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "compare", str(tmp_path / "a"), str(tmp_path / "b")],
        cwd=finished.folder, env=finished.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.2f} s of CPU")
    assert "trial 199, epoch 0, loss" in result.stdout
