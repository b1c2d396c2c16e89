"""Real kills of real processes: whatever is interrupted, the next `dvc repro` ends the same."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.slow

# What a run prints just before the moment to kill in, and how long after it at most: spread over
# reading, proposing, building, fitting, recording, the final fit and the stages after the search.
MOMENTS = [
    ("Running stage 'prepare'", 1.0),
    *[("Running stage 'search'", 8.0)] * 5,
    *[("trial   1 of 3", 2.5)] * 4,
    *[("trial   2 of 3", 2.5)] * 4,
    *[("training the network", 1.5)] * 2,
    ("weights digest", 2.0),
    ("Running stage 'export'", 4.0),
    ("Running stage 'evaluate'", 4.0),
    ("Running stage 'cleanup'", 0.3),
]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def kill_at(project, line, number, delay, whole_group):
    """Start `dvc repro`, and kill it, or all its processes, some time after it printed `line`."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "dvc", "repro"],
        cwd=project.folder,
        env=project.environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    found = any(line in said for said in process.stdout)
    time.sleep(delay)
    if whole_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()
    return found


def test_killed_anywhere_the_next_repro_ends_in_the_same_digests(finished, new_project):
    project = new_project("killed")
    random.seed(0)
    for turn, (line, longest) in enumerate(MOMENTS):
        number = SIGNALS[turn % len(SIGNALS)]
        # Once in a while only dvc dies, and its stage goes on as an orphan beside the next one.
        kill_at(project, line, number, random.uniform(0, longest), whole_group=turn % 4 != 3)
        # What the killed one was about to finish must not spare the next one its own interruption.
        project.run("rm", "-f", "dvc.lock")
    assert len(MOMENTS) == 20
    project.dvc("repro")
    assert project.digests() == finished.digests()
    one, two = finished.tracked_files(), project.tracked_files()
    assert [path for path in one if one[path] != two[path]] == []


def test_search_on_a_full_disk_stops_with_a_message_and_goes_on_when_there_is_room(finished, new_project):
    project = new_project("full-disk")
    scratch = project.folder / ".encore"
    scratch.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(scratch)], check=False
    ).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        project.pipeline("prepare")
        filler = scratch / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(b"0" * 1_000_000)
        full = project.pipeline("search", check=False)
        assert full.returncode != 0
        assert "No space left on device" in full.stderr
        filler.unlink()
        project.pipeline("search")
        assert (
            project.json("searched/search.json")["digests"]
            == finished.json("searched/search.json")["digests"]
        )
    finally:
        subprocess.run(["umount", str(scratch)], check=True)


def test_interrupted_search_says_how_to_go_on(new_project):
    project = new_project("interrupted")
    project.pipeline("prepare")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pipeline", "search"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "trial   1 of 3" in process.stdout.readline()
    process.terminate()
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted after 1 of 3 trials; they are kept. Run `dvc repro` to go on." in said
    assert "Traceback" not in errors
    assert "trial   1 of 3  val_loss" in project.pipeline("search").stdout


def test_killed_mlflow_run_does_not_stay_running(new_project):
    project = new_project("killed-run")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", "-P", "search.max_trials=3"],
        cwd=project.folder,
        env=project.environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert any("trial   1 of 3" in line for line in process.stdout)
    for child in [*psutil.Process(process.pid).children(recursive=True), process]:
        child.kill()
    process.wait()
    process.stdout.close()
    statuses = (
        "import mlflow; print(sorted(r.info.status for r in"
        " mlflow.search_runs(search_all_experiments=True, output_format='list')))"
    )
    assert "['RUNNING']" in project.python("-W", "ignore", "-c", statuses).stdout
    project.dvc("repro")
    said = project.python("-W", "ignore", "-c", statuses).stdout
    assert "RUNNING" not in said
    assert "KILLED" in said
