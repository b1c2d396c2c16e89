"""Copies of what a run keeps: the next execution overwrites the stages' own outputs."""

import shutil
from typing import Any

from pipeline import paths
from pipeline.environment import full_environment, git_changes, mask
from pipeline.executions import Execution
from pipeline.files import write_json, write_whole
from pipeline.params import Params


def copy_artifacts(execution: Execution, params: Params, search: dict[str, Any], with_reports: bool) -> None:
    """Copy what a run keeps, in the project's own layout: `compare` reads both alike."""
    artifacts = execution.folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    files = [
        paths.PARAMS,
        *([paths.LOCK] if paths.LOCK.exists() else []),
        paths.SCHEMA,
        paths.PREPARED_DIGESTS,
        paths.SPLIT,
        paths.DATA_REPORT,
        paths.DATA_REPORT_TEXT,
        paths.TRIALS,
        paths.SPACE,
    ]
    files += [paths.SEARCH_SUMMARY, paths.NUMERIC_ENVIRONMENT]
    files += [paths.METRICS, paths.EVALUATION, paths.MODEL_CARD] if with_reports else []
    for path in files:
        (artifacts / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, artifacts / path)
    write_json(artifacts / "environment.json", full_environment(params.determinism))
    if changes := git_changes():
        write_whole(artifacts / "git.diff", mask(changes).encode())
    logs = paths.TENSORBOARD / search["journal"]
    if params.search.tensorboard and logs.exists():
        shutil.copytree(logs, artifacts / "tensorboard")
    shutil.rmtree(execution.folder / "model", ignore_errors=True)
    if with_reports:
        shutil.copytree(paths.PLOTS, artifacts / paths.PLOTS)


def copy_model(execution: Execution, parity: dict[str, Any], record: dict[str, Any]) -> None:
    """Copy the servable model, its other forms, and the proof of all with what each cost in its process."""
    shutil.copytree(paths.MODEL, execution.folder / "model")
    exported = execution.folder / "artifacts" / paths.EXPORTED
    exported.mkdir(parents=True, exist_ok=True)
    for path in paths.EXPORTED.iterdir():
        if path.is_dir() and path != paths.MODEL:
            shutil.copytree(path, exported / path.name)
        elif path.is_file():
            shutil.copyfile(path, exported / path.name)
    costs = form_costs(record)
    forms = {name: form | costs[name] for name, form in parity.items() if name in costs}
    write_json(exported / paths.PARITY.name, parity | forms)


def form_costs(record: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Give what loading and predicting cost, form by form, where this execution exported."""
    return record["stages"].get("export", {}).get("details") or {}
