"""Sending what `projection` wrote, once or again.

A failure here is a warning: what could not be sent stays in the execution's folder for `python -m
pipeline publish`.
"""

import json
import shutil
from typing import Any

from pipeline import executions
from pipeline.console import warn
from pipeline.environment import mask
from pipeline.executions import Execution
from pipeline.tracking.publisher import Publisher
from pipeline.tracking.server import be_brief, tracking_uri


def publish(execution: Execution) -> str | None:
    """Send an execution to MLflow; returns the run's id, or None with a warning where that failed."""
    be_brief()
    record = execution.read()
    # Asked now: processes may have been killed since the results were written.
    status = executions.status(record)
    try:
        run_id = _send(execution, record, status)
    except Exception as error:  # noqa: BLE001 - whatever MLflow raises must not fail the pipeline
        reason = mask(str(error).strip().splitlines()[0] if str(error).strip() else repr(error))
        warn(
            f"MLflow at {mask(tracking_uri())} could not be reached or refused ({reason[:300]}). "
            "Nothing is lost: run `python -m pipeline publish` to send this run later."
        )
        return None
    if status != "RUNNING":
        execution.published.write_text(run_id, encoding="utf-8")
        # Only what is still to be sent needs copies.
        shutil.rmtree(execution.folder / "artifacts", ignore_errors=True)
        shutil.rmtree(execution.folder / "model", ignore_errors=True)
    return run_id


def publish_pending(except_for: Execution | None = None) -> list[str]:
    """Send every ended execution that MLflow does not hold yet; returns the run ids."""
    sent = []
    for execution in executions.pending():
        if execution == except_for:
            continue
        run_id = publish(execution)
        if run_id is None:
            break  # one warning is enough
        sent.append(run_id)
    return sent


def _send(execution: Execution, record: dict[str, Any], status: str) -> str:
    payload = execution.folder / "run.json"
    if payload.exists():
        run = json.loads(payload.read_text(encoding="utf-8")) | {"status": status}
        return Publisher(run, execution.folder).send()
    # Killed before there was any result: all that is left is to end the run of `mlflow run`.
    import mlflow

    run_id = str(record["mlflow_run_id"])
    mlflow.MlflowClient().set_terminated(run_id, status)
    return run_id
