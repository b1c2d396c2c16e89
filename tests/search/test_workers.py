"""Workers never change what comes out: one digest for each lookahead, whoever computes."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from pipeline.errors import ParamsError
from pipeline.search.workers import n_workers

pytestmark = pytest.mark.slow

LOOKAHEADS = (1, 2, 3)


@pytest.fixture(scope="module")
def searching(new_project):
    """A project prepared once; gives the digests of a search from an empty journal."""
    project = new_project("workers")
    # With this seed the best trial changes early, so that what a proposal may see matters.
    project.update({"search.max_trials": 4, "search.epochs": 2, "seed": 1})
    project.pipeline("prepare")

    def search(lookahead, **variables):
        project.update({"search.lookahead": lookahead})
        project.run("rm", "-rf", ".encore/journals")
        result = project.pipeline("search", **variables)
        return project.json("searched/search.json")["digests"], result

    search.project = project
    return search


@pytest.fixture(scope="module")
def serial(searching):
    return {lookahead: searching(lookahead)[0] for lookahead in LOOKAHEADS}


def test_lookahead_is_part_of_the_recipe_and_of_the_result(serial):
    assert len({digests["recipe"] for digests in serial.values()}) == 3
    assert len({digests["proposals"] for digests in serial.values()}) == 3


@pytest.mark.parametrize("count", ["2", "3"])
@pytest.mark.parametrize("lookahead", LOOKAHEADS)
def test_search_on_processes_gives_the_serial_digests(searching, serial, lookahead, count):
    digests, result = searching(lookahead, ENCORE_WORKERS=count)
    assert digests == serial[lookahead]
    assert ("the other workers would wait" in result.stderr) == (int(count) > lookahead)


def test_search_whose_worker_is_killed_replaces_it_and_comes_out_the_same(searching, serial):
    project = searching.project
    project.update({"search.lookahead": 2})
    project.run("rm", "-rf", ".encore/journals")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pipeline", "search"],
        cwd=project.folder,
        env=project.environment(ENCORE_WORKERS="2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "trial   1 of 4" in process.stdout.readline()
    workers = [child for child in psutil.Process(process.pid).children(recursive=True) if _is_worker(child)]
    assert len(workers) == 2
    workers[0].send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "attempt 1 of 3" in errors
    assert project.json("searched/search.json")["digests"] == serial[2]


def test_search_on_processes_that_is_interrupted_ends_at_once_and_says_how_to_go_on(searching):
    project = searching.project
    project.run("rm", "-rf", ".encore/journals")
    project.update({"search.epochs": 3000, "search.patience": 3000, "search.max_trials": 9})
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pipeline", "search"],
        cwd=project.folder,
        env=project.environment(ENCORE_WORKERS="2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Both workers are in the middle of a trial of many epochs.
    workers = []
    while len(workers) < 2:
        children = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in children if _is_worker(child) and child.cpu_times().user > 3]
    process.terminate()
    said, errors = process.communicate(timeout=60)
    project.update({"search.epochs": 2, "search.patience": 5, "search.max_trials": 4})
    assert process.returncode == 130, errors
    assert "interrupted after 0 of 9 trials" in said
    assert list(project.folder.glob(".encore/journals/*/trial-*.json")) == []
    assert not any(worker.is_running() for worker in workers)


def test_workers_end_with_a_search_that_is_killed(searching):
    project = searching.project
    project.run("rm", "-rf", ".encore/journals")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pipeline", "search"],
        cwd=project.folder,
        env=project.environment(ENCORE_WORKERS="2"),
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    process.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def _is_worker(process):
    # Workers are forked from the server, which the search has started beside a resource tracker.
    try:
        return process.parent().parent().pid != os.getpid() and not process.children()
    except (psutil.Error, AttributeError):
        return False


@pytest.mark.parametrize(("lookahead", "count"), [(1, "1"), (2, "1"), (2, "2"), (3, "3")])
def test_search_on_ray_gives_the_serial_digests(searching, serial, lookahead, count):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    try:
        digests, _ = searching(lookahead, ENCORE_WORKERS=count, ENCORE_RAY_ADDRESS=cluster.address)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert digests == serial[lookahead]


def test_search_on_ray_whose_actor_is_killed_comes_out_the_same(searching, serial):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    project = searching.project
    project.update({"search.lookahead": 2})
    project.run("rm", "-rf", ".encore/journals")
    try:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pipeline", "search"],
            cwd=project.folder,
            env=project.environment(ENCORE_WORKERS="2", ENCORE_RAY_ADDRESS=cluster.address),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "trial   1 of 4" in process.stdout.readline()
        actors = [
            p for p in psutil.process_iter(["cmdline"]) if "ray::_Actor" in " ".join(p.info["cmdline"] or [])
        ]
        assert actors
        actors[0].kill()
        _, errors = process.communicate(timeout=300)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert process.returncode == 0, errors
    assert "attempt 1 of 3" in errors
    assert project.json("searched/search.json")["digests"] == serial[2]


def test_search_in_its_own_process_imports_no_pool_and_no_cluster(searching):
    script = (
        "import sys; from pipeline.__main__ import main; assert main(['search']) == 0;"
        "print('imported:', sorted({'pipeline.search.local_worker', 'pipeline.search.ray_worker', 'ray'}"
        " & set(sys.modules)))"
    )
    assert "imported: []" in searching.project.python("-c", script).stdout


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_workers_variable_that_is_no_count_is_refused(monkeypatch, text):
    monkeypatch.setenv("ENCORE_WORKERS", text)
    with pytest.raises(ParamsError, match="ENCORE_WORKERS must be an integer of at least 1, but got"):
        n_workers()


def test_ray_address_where_nothing_answers_is_refused(searching):
    project = searching.project
    result = project.pipeline("search", check=False, ENCORE_RAY_ADDRESS="127.0.0.1:1")
    assert result.returncode == 1, result.stderr
    assert "no Ray cluster answers at '127.0.0.1:1'" in result.stderr
