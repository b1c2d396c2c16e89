"""A process on this machine that runs trials, forked from a server that has only imported TensorFlow."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from pipeline.determinism import start_tensorflow
from pipeline.params import Determinism
from pipeline.search.worker import WorkerDiedError

if TYPE_CHECKING:
    from pipeline.search.schedule import Result
    from pipeline.search.trial import Study

_WATCH_SECONDS = 1.0


def start_server() -> None:
    """Start the server, which imports TensorFlow in the background."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["pipeline.search.preload"])
    forkserver.ensure_running()


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
        except (BrokenProcessPool, CancelledError) as error:
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
    import psutil

    while psutil.pid_exists(parent):
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def _run_in_process(number: int, config: dict[str, Any]) -> "Result":
    from pipeline.search.trial import run_trial

    if _study is None:
        raise RuntimeError("the worker was not started")
    return run_trial(_study, number, config)
