"""Executions: which stages one `dvc repro` or `mlflow run .` ran, when, and how they ended.

Undeclared records beside the stages' deterministic outputs: what has a clock or a host in it
belongs here. MLflow is published from both.
"""

import contextlib
import json
import os
import platform
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.files import write_json

# Names the execution that a stage belongs to; set by `python -m pipeline run` for its stages.
EXECUTION_VARIABLE = "ENCORE_EXECUTION"


@dataclass(frozen=True)
class Execution:
    """One execution of the pipeline, shared by all the stages that it runs."""

    key: str

    @property
    def folder(self) -> Path:
        """Where the execution's records are."""
        return paths.EXECUTIONS / self.key

    @property
    def published(self) -> Path:
        """A file that is there when MLflow holds all that the execution left."""
        return self.folder / "published"

    @property
    def is_publishable(self) -> bool:
        """Whether there is something to send: results, or a run of `mlflow run` to end."""
        return (self.folder / "run.json").exists() or "mlflow_run_id" in self.read()

    def read(self) -> dict[str, Any]:
        """Read the record: key, start, host, processes and stages."""
        try:
            return json.loads((self.folder / "execution.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"key": self.key, "started": time.time(), "host": platform.node(), "stages": {}}

    def write(self, record: dict[str, Any]) -> None:
        """Write the record; what was published before is no longer all there is."""
        write_json(self.folder / "execution.json", record)
        self.published.unlink(missing_ok=True)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Record a stage: that it started, then how long it took and how it ended.

        Yields a dict for what the stage has to add (no results: those are files of its own).
        """
        entry: dict[str, Any] = {"status": "RUNNING", "started": time.time(), **this_process()}
        self._update(name, entry)
        clock = time.perf_counter()
        status = "FAILED"
        try:
            yield entry
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        except BaseException as error:
            entry["error"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            entry |= {"status": status, "seconds": time.perf_counter() - clock}
            self._update(name, entry)

    @contextlib.contextmanager
    def process(self) -> Iterator[None]:
        """Record the process that runs the whole execution, so that its death is noticed."""
        self._note({"process": this_process()})
        yield
        self._note({"process": None})

    def forget(self) -> None:
        """Remove the records of an execution that did nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _note(self, values: dict[str, Any]) -> None:
        if "MLFLOW_RUN_ID" in os.environ:
            values |= {"mlflow_run_id": os.environ["MLFLOW_RUN_ID"]}
        self.write(self.read() | values)

    def _update(self, name: str, entry: dict[str, Any]) -> None:
        self._note({"stages": self.read()["stages"] | {name: entry}})


def current() -> Execution:
    """Find the execution that this process belongs to.

    Named by `mlflow run`, by `python -m pipeline run`, or by the dvc process above this one; a
    stage started by hand is an execution of its own.
    """
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        return Execution(f"mlflow-{run_id}")
    if key := os.environ.get(EXECUTION_VARIABLE):
        return Execution(key)
    import psutil

    for parent in psutil.Process().parents():
        with contextlib.suppress(psutil.Error):
            if _is_dvc(parent.cmdline()):
                return Execution(f"dvc-{parent.pid}-{parent.create_time():.2f}")
    return new()


def new() -> Execution:
    """Start an execution of its own."""
    return Execution(f"run-{uuid.uuid4().hex[:12]}")


def recorded() -> list[Execution]:
    """List the executions that have records, oldest first."""
    found = [Execution(path.parent.name) for path in paths.EXECUTIONS.glob("*/execution.json")]
    return sorted(found, key=lambda execution: execution.read()["started"])


def pending() -> list[Execution]:
    """List the ended executions that MLflow does not hold, or holds as still running."""
    return [
        execution
        for execution in recorded()
        if not execution.published.exists()
        and execution.is_publishable
        and status(execution.read()) != "RUNNING"
    ]


def status(record: dict[str, Any]) -> str:
    """Tell how an execution stands: FAILED, KILLED or RUNNING where a part of it is, else FINISHED."""
    states = {
        "KILLED" if entry["status"] == "RUNNING" and not is_alive(entry) else entry["status"]
        for entry in record["stages"].values()
    }
    if process := record.get("process"):
        states.add("RUNNING" if is_alive(process) else "KILLED")
    return next((s for s in ("FAILED", "KILLED", "RUNNING") if s in states), "FINISHED")


def this_process() -> dict[str, Any]:
    """Name this process so that another one with its number is not taken for it."""
    import psutil

    return {"pid": os.getpid(), "created": psutil.Process().create_time(), "host": platform.node()}


def is_alive(process: dict[str, Any]) -> bool:
    """Tell whether a recorded process still runs; one on another host is taken to."""
    import psutil

    if process["host"] != platform.node():
        return True
    try:
        return abs(psutil.Process(process["pid"]).create_time() - process["created"]) < 1
    except psutil.NoSuchProcess:
        return False


def _is_dvc(command: list[str]) -> bool:
    return any(Path(word).name == "dvc" for word in command[:2]) or command[1:3] == ["-m", "dvc"]
