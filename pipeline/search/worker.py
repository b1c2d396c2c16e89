"""What the search asks of a worker, whichever kind it is."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pipeline.search.schedule import Result


class WorkerDiedError(Exception):
    """A worker went away in the middle of a trial."""


class Worker(Protocol):
    """Something that runs one trial at a time."""

    def run(self, number: int, config: dict[str, Any]) -> "Result":
        """Run a trial. Raises WorkerDiedError where the worker, not the trial, ended."""

    def close(self) -> None:
        """Let the worker go."""
