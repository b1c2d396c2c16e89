"""Stages, whole runs, and what follows them: publishing."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

from pipeline import executions, overrides, paths
from pipeline.commands.asking import check
from pipeline.console import say, warn
from pipeline.determinism import fix_process, start_tensorflow
from pipeline.executions import EXECUTION_VARIABLE, Execution
from pipeline.export.installed import check_installed
from pipeline.params import Params, read_params
from pipeline.scratch import stage_lock

_MODULES = {
    "prepare": "pipeline.prepare.stage",
    "search": "pipeline.search.stage",
    "export": "pipeline.export.stage",
    "evaluate": "pipeline.evaluate.stage",
}
_WITH_TENSORFLOW = {"search", "evaluate"}


def stage(name: str) -> int:
    """Run one stage, record it, and publish what there is."""
    params = read_params()
    check_installed(params.export)
    # Before numpy or TensorFlow is imported anywhere: they read these only once.
    fix_process(params.determinism)
    with stage_lock():
        execution = executions.current()
        try:
            with execution.stage(name) as entry:
                if name == "search":
                    # Its server imports TensorFlow while this process does.
                    importlib.import_module("pipeline.search.workers").warm_up()
                if name in _WITH_TENSORFLOW:
                    start_tensorflow(params.determinism)
                entry["details"] = importlib.import_module(_MODULES[name]).run(params)
        except Exception:
            _publish(execution, params)
            raise
        # Before the search there is nothing to show.
        if name != "prepare":
            _publish(execution, params)
    return 0


def cleanup() -> int:
    """Free scratch. It has no results: nothing is recorded or published."""
    from pipeline import cleanup as clean

    params = read_params()
    with stage_lock():
        clean.run(params)
    return 0


def run(source: Path | None, words: list[str]) -> int:
    """Write params into params.yaml, run `dvc repro`, publish, and say what came out."""
    for change in overrides.apply(source, overrides.parse(words)):
        say(f"params.yaml: {change}")
    check()
    params = read_params()
    run_id = os.environ.get("MLFLOW_RUN_ID")
    execution = executions.current() if run_id else executions.new()
    with execution.process():
        code = _repro(execution)
    if code:
        return code
    with stage_lock():
        _finish(execution, params)
    _summarise(execution)
    return 0


def publish() -> int:
    """Send what MLflow does not hold yet: pending executions, then the files as they are now."""
    from pipeline.tracking import projection
    from pipeline.tracking import publish as sending

    params = read_params()
    with stage_lock():
        sent = sending.publish_pending()
        before = executions.recorded()
        if not (before and projection.is_current(before[-1])):
            run_id = _publish(executions.new(), params)
            sent += [run_id] if run_id else []
        pending = executions.pending()
    for run_id in sent:
        say(f"published as MLflow run {run_id}")
    if not sent and not pending:
        say("nothing to publish: MLflow has every execution")
    return 1 if pending else 0


def _repro(execution: Execution) -> int:
    # The stages' `python` must be this interpreter, activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {EXECUTION_VARIABLE: execution.key, "PATH": path}
    process = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:
        _interrupt_stages(process.pid)
        process.wait()
        raise


def _interrupt_stages(dvc: int) -> None:
    """Pass an interruption on: DVC that dies alone leaves its stage running."""
    import psutil

    for child in psutil.Process(dvc).children(recursive=True):
        child.terminate()


def _publish(execution: Execution, params: Params) -> str | None:
    from pipeline.tracking import projection

    try:
        payload = projection.project(execution, params)
    except OSError as error:
        warn(f"nothing could be published ({error}). Run `python -m pipeline publish` later.")
        return None
    if payload is None and not executions.pending():
        return None
    from pipeline.tracking import publish as sending

    run_id = sending.publish(execution)
    if run_id:
        sending.publish_pending(except_for=execution)
    return run_id


def _finish(execution: Execution, params: Params) -> None:
    """Publish the end of an execution, with what DVC restored or left as it was.

    Where nothing was executed and the run before shows the same files there is nothing to add,
    unless `mlflow run` has opened a run that waits for it.
    """
    from pipeline.tracking import projection

    if not execution.read()["stages"] and "MLFLOW_RUN_ID" not in os.environ:
        before = [other for other in executions.recorded() if other != execution]
        if before and projection.is_current(before[-1]):
            say("everything is up to date; nothing was executed")
            execution.forget()
            return
    _publish(execution, params)


def _summarise(execution: Execution) -> None:
    from pipeline.files import read_json
    from pipeline.scores import as_text

    say("\n" + as_text(read_json(paths.METRICS, made_by="evaluate")))
    digests = read_json(paths.SEARCH_SUMMARY, made_by="search")["digests"]
    say(f"\nmodel: {paths.MODEL} (weights digest {digests['weights']})")
    if execution.published.exists():
        say(f"MLflow run: {execution.published.read_text(encoding='utf-8')}")
    command = "mlflow" if os.environ.get("VIRTUAL_ENV") else f"{Path(sys.executable).parent}/mlflow"
    say(
        f"Look at it: {os.path.relpath(command) if os.sep in command else command} ui, then open http://127.0.0.1:5000"
    )
