"""Who computes trials: this process, processes beside it, or Ray actors. Never what comes out.

Every worker keeps one trial's promise: the same study, number and proposal give the same result.
TensorFlow is imported by the workers, not by this module.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pipeline.console import note, warn
from pipeline.errors import ParamsError
from pipeline.params import Determinism
from pipeline.search.record import failed_record
from pipeline.search.worker import Worker, WorkerDiedError

if TYPE_CHECKING:
    from pipeline.search.schedule import Result, Submit
    from pipeline.search.trial import Study

    Task = tuple[int, dict[str, Any], Future[Result]]

WORKERS_VARIABLE = "ENCORE_WORKERS"
RAY_VARIABLE = "ENCORE_RAY_ADDRESS"
# A trial that ends its worker this often has failed: else a search could never pass it.
MAX_ATTEMPTS = 3


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
        from pipeline.search.ray_worker import check_cluster

        check_cluster(address, RAY_VARIABLE)
    elif n_workers() > 1:
        from pipeline.search.local_worker import start_server

        start_server()


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
    if address := os.environ.get(RAY_VARIABLE):
        from pipeline.search.ray_worker import ray_cluster

        with ray_cluster(address, study, settings) as connect, _crew(connect, count) as submit:
            yield submit
    elif count == 1:
        # Nothing of pools and clusters is imported.
        yield _in_this_process(study)
    else:
        from pipeline.search.local_worker import LocalWorker

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
    """Keep `count` workers busy, each served by a thread that replaces it when it dies."""
    crew = _Crew(connect)
    threads = [threading.Thread(target=crew.serve, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield crew.submit
    finally:
        crew.dismiss(count)
        for thread in threads:
            thread.join()


class _Crew:
    def __init__(self, connect: Callable[[], Worker]) -> None:
        self._connect = connect
        self._tasks: queue.SimpleQueue[tuple[int, dict[str, Any], Future[Result]] | None] = (
            queue.SimpleQueue()
        )
        self._workers: list[Worker] = []
        self._dismissed = threading.Event()

    def submit(self, number: int, config: dict[str, Any]) -> "Future[Result]":
        future: Future[Result] = Future()
        self._tasks.put((number, config, future))
        return future

    def dismiss(self, count: int) -> None:
        """End all workers at once, also in the middle of a trial: an interrupted search must not wait."""
        self._dismissed.set()
        for worker in list(self._workers):
            worker.close()
        for _ in range(count):
            self._tasks.put(None)

    def serve(self) -> None:
        """Run tasks, on a worker of this thread's own, until dismissed."""
        worker: Worker | None = None
        while (task := self._tasks.get()) is not None:
            number, config, future = task
            for attempt in range(1, MAX_ATTEMPTS + 1):
                try:
                    if worker is None:
                        worker = self._connect()
                        self._workers.append(worker)
                    future.set_result(worker.run(number, config))
                    break
                except WorkerDiedError as error:
                    if self._dismissed.is_set():
                        return
                    warn(
                        f"the worker of trial {number + 1} died ({error}); "
                        f"attempt {attempt} of {MAX_ATTEMPTS}"
                    )
                    if worker:
                        self._workers.remove(worker)
                        worker.close()
                    worker = None
                except Exception as error:  # noqa: BLE001 - handed to the search, which raises it
                    future.set_exception(error)
                    break
            else:
                future.set_result(_lost(number, config))


def _lost(number: int, config: dict[str, Any]) -> "Result":
    error = WorkerDiedError(f"the trial ended its worker {MAX_ATTEMPTS} times, perhaps out of memory")
    return failed_record(number, config, error), []
