"""An actor on a Ray cluster that runs trials."""

import contextlib
import importlib.util
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.determinism import process_variables, start_tensorflow
from pipeline.errors import ParamsError
from pipeline.params import Determinism
from pipeline.search.worker import Worker, WorkerDiedError

if TYPE_CHECKING:
    from pipeline.search.schedule import Result
    from pipeline.search.trial import Study


def check_cluster(address: str, variable: str) -> None:
    """Raise ParamsError where Ray is not installed or no cluster answers."""
    if importlib.util.find_spec("ray") is None:
        raise ParamsError(
            f"{variable} is set, but Ray is not installed. Run `pip install --require-hashes "
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
            f"{variable}: no Ray cluster answers at {address!r} ({error}). Start it, or unset it."
        ) from error


@contextlib.contextmanager
def ray_cluster(address: str, study: "Study", settings: Determinism) -> Iterator[Callable[[], Worker]]:
    """Join the Ray cluster at an address; give a function that starts actors on it.

    One GPU an actor where the cluster has GPUs.
    """
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
