"""Who computes trials: this process, processes beside it, or Ray actors. Never what comes out.

Every worker keeps one trial's promise: the same study, number and proposal give the same result.
TensorFlow is imported by the workers, not by this module.
"""

import contextlib
import importlib.util
import multiprocessing
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.console import note, warn
from pipeline.determinism import process_variables, start_tensorflow
from pipeline.errors import ParamsError
from pipeline.params import Determinism

if TYPE_CHECKING:
    from pipeline.search.schedule import Result, Submit
    from pipeline.search.trial import Study

WORKERS_VARIABLE = "ENCORE_WORKERS"
RAY_VARIABLE = "ENCORE_RAY_ADDRESS"
# A trial that ends its worker this often has failed: else a search could never pass it.
MAX_ATTEMPTS = 3
_WATCH_SECONDS = 1.0


class WorkerDiedError(Exception):
    """A worker went away in the middle of a trial."""


class Worker(Protocol):
    """Something that runs one trial at a time."""

    def run(self, number: int, config: dict[str, Any]) -> "Result":
        """Run a trial. Raises WorkerDiedError where the worker, not the trial, ended."""

    def close(self) -> None:
        """Let the worker go."""


def n_workers() -> int:
    """Read ENCORE_WORKERS; 1 where it is not set."""
    text = os.environ.get(WORKERS_VARIABLE, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ParamsError(
            f"{WORKERS_VARIABLE} must be an integer of at least 1, but got {text!r}. Set it to the "
            "number of trials to run at once, or unset it."
        )
    return int(text)


def warm_up() -> None:
    """Start the server that workers are forked from, so that it is ready when they are needed.

    Raises ParamsError where workers are asked for that cannot be had.
    """
    if address := os.environ.get(RAY_VARIABLE):
        _check_ray(address)
    elif n_workers() > 1:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pipeline.search.preload"])
        from multiprocessing import forkserver

        forkserver.ensure_running()


@contextlib.contextmanager
def workers(study: "Study", settings: Determinism) -> Iterator["Submit"]:
    """Give a function that submits trials to as many workers as ENCORE_WORKERS asks for."""
    count = n_workers()
    if count > study.search.lookahead:
        note(
            f"{WORKERS_VARIABLE}={count}, but search.lookahead lets only {study.search.lookahead} "
            "trials run at once; the other workers would wait"
        )
        count = study.search.lookahead
    if RAY_VARIABLE in os.environ:
        with ray_cluster(study, settings) as connect, _crew(connect, count) as submit:
            yield submit
    elif count == 1:
        yield _in_this_process(study)
    else:
        with _crew(lambda: LocalWorker(study, settings), count) as submit:
            yield submit


def _in_this_process(study: "Study") -> "Submit":
    from pipeline.search.trial import run_trial

    def submit(number: int, config: dict[str, Any]) -> "Future[Result]":
        done: Future[Result] = Future()
        done.set_result(run_trial(study, number, config))
        return done

    return submit


@contextlib.contextmanager
def _crew(connect: Callable[[], Worker], count: int) -> Iterator["Submit"]:
    """Keep `count` workers busy, each by a thread that replaces it when it dies."""
    tasks: queue.SimpleQueue[tuple[int, dict[str, Any], Future[Result]] | None] = queue.SimpleQueue()
    stopping = threading.Event()
    threads = [
        threading.Thread(target=_serve, args=(connect, tasks, stopping), daemon=True) for _ in range(count)
    ]
    for thread in threads:
        thread.start()

    def submit(number: int, config: dict[str, Any]) -> "Future[Result]":
        future: Future[Result] = Future()
        tasks.put((number, config, future))
        return future

    try:
        yield submit
    finally:
        stopping.set()
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            thread.join()


def _serve(
    connect: Callable[[], Worker],
    tasks: "queue.SimpleQueue[tuple[int, dict[str, Any], Future[Result]] | None]",
    stopping: threading.Event,
) -> None:
    worker = connect()
    try:
        while (task := tasks.get()) is not None and not stopping.is_set():
            number, config, future = task
            try:
                for attempt in range(1, MAX_ATTEMPTS + 1):
                    try:
                        future.set_result(worker.run(number, config))
                        break
                    except WorkerDiedError as error:
                        worker.close()
                        if stopping.is_set():
                            return
                        warn(
                            f"the worker of trial {number + 1} died ({error}); "
                            f"attempt {attempt} of {MAX_ATTEMPTS}"
                        )
                        worker = connect()
                else:
                    future.set_result(_lost(number, config))
            except Exception as error:  # noqa: BLE001 - handed to the search, which raises it
                future.set_exception(error)
    finally:
        worker.close()


def _lost(number: int, config: dict[str, Any]) -> "Result":
    from pipeline.search.trial import failed_record

    error = WorkerDiedError(f"the trial ended its worker {MAX_ATTEMPTS} times, perhaps out of memory")
    return failed_record(number, config, error), []


class LocalWorker:
    """One process beside this one, forked from a server that has only imported TensorFlow."""

    def __init__(self, study: "Study", settings: Determinism) -> None:
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("forkserver"),
            initializer=_start_process,
            initargs=(study, settings, os.getpid()),
        )

    def run(self, number: int, config: dict[str, Any]) -> "Result":
        """Run a trial in the worker's process."""
        try:
            return self._pool.submit(_run_in_process, number, config).result()
        except BrokenProcessPool as error:
            raise WorkerDiedError(str(error)) from error

    def close(self) -> None:
        """End the process at once, whatever it is doing."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


_study: "Study | None" = None


def _start_process(study: "Study", settings: Determinism, parent: int) -> None:
    global _study
    # Ctrl-C reaches the whole group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    start_tensorflow(settings)
    from pipeline.search.preload import freeze

    freeze()
    _study = study


def _end_with(parent: int) -> None:
    """End this process when the search's own is gone: after a kill -9 nobody else would."""
    import time

    import psutil

    while psutil.pid_exists(parent):
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def _run_in_process(number: int, config: dict[str, Any]) -> "Result":
    from pipeline.search.trial import run_trial

    if _study is None:
        raise RuntimeError("the worker was not started")
    return run_trial(_study, number, config)


def _check_ray(address: str) -> None:
    if importlib.util.find_spec("ray") is None:
        raise ParamsError(
            f"{RAY_VARIABLE} is set, but Ray is not installed. Run `pip install --require-hashes "
            "-r requirements-ray.lock`, or unset it."
        )
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not port.isdecimal():
        return  # `auto`, `local`: Ray finds the cluster itself
    try:
        # Ray would try for minutes.
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ParamsError(
            f"{RAY_VARIABLE}: no Ray cluster answers at {address!r} ({error}). Start it, or unset it."
        ) from error


@contextlib.contextmanager
def ray_cluster(study: "Study", settings: Determinism) -> Iterator[Callable[[], Worker]]:
    """Join the Ray cluster at ENCORE_RAY_ADDRESS; give a function that starts actors on it.

    One GPU an actor where the cluster has GPUs.
    """
    address = os.environ[RAY_VARIABLE]
    import ray

    environment = {
        "env_vars": process_variables(settings) | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        "py_modules": [str(Path(__file__).resolve().parents[1])],
    }
    ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level="ERROR")
    try:
        # Kept here: an actor that is restarted needs the object, and its own copy dies with it.
        shared = ray.put(study)
        n_gpus = 1 if ray.cluster_resources().get("GPU") else 0
        yield lambda: RayWorker(shared, settings, n_gpus)
    finally:
        ray.shutdown()


class RayWorker:
    """One actor on a Ray cluster."""

    def __init__(self, shared_study: Any, settings: Determinism, n_gpus: int) -> None:
        import ray

        actor = ray.remote(num_cpus=settings.threads, num_gpus=n_gpus, max_restarts=0)(_Actor)
        self._actor = actor.remote(shared_study, settings)

    def run(self, number: int, config: dict[str, Any]) -> "Result":
        """Run a trial on the actor's node."""
        import ray

        try:
            result: Result = ray.get(self._actor.run.remote(number, config))
        except ray.exceptions.RayActorError as error:
            raise WorkerDiedError(str(error).splitlines()[0]) from error
        return result

    def close(self) -> None:
        """End the actor."""
        import ray

        ray.kill(self._actor)


class _Actor:
    def __init__(self, study: "Study", settings: Determinism) -> None:
        start_tensorflow(settings)
        from pipeline.search.preload import freeze

        freeze()
        self._study = study

    def run(self, number: int, config: dict[str, Any]) -> "Result":
        from pipeline.search.trial import run_trial

        return run_trial(self._study, number, config)
