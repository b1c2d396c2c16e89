"""Reading earlier runs back from MLflow."""

import json
import re
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.environment import mask
from pipeline.errors import MissingError
from pipeline.tracking.server import be_brief, tracking_uri
from pipeline.tracking.table import TRIAL_COLUMNS


def best_hyperparameters(run_id: str, top: int) -> list[dict[str, Any]]:
    """Read the hyperparameters of a run's best trials, best first.

    Raises MissingError where the run cannot be read or has no successful trial.
    """
    be_brief()
    import mlflow

    client = mlflow.MlflowClient()
    try:
        parent = client.get_run(run_id)
        table = json.loads(mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/trials_table.json"))
    except Exception as error:
        raise MissingError(
            f"{paths.PARAMS}: search.warm_start must be the id of a pipeline's run at "
            f"{mask(tracking_uri())}, but got {run_id!r} ({str(error).splitlines()[0][:200]}). "
            "Copy the run id from the MLflow UI."
        ) from error
    trials = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    scored = [trial for trial in trials if trial["score"] is not None]
    maximise = parent.data.tags.get("encore.direction") == "max"
    scored.sort(key=lambda trial: trial["score"], reverse=maximise)
    fixed = set(TRIAL_COLUMNS)
    return [
        {k: v for k, v in trial.items() if k not in fixed and not k.startswith("tuner/") and v is not None}
        for trial in scored[:top]
    ]


# What comparing, verifying and reproducing read of a run.
_FETCHED = (
    "params.yaml", "requirements.lock", "git.diff", "environment.json", "prepared", "searched", "reports",
)  # fmt: skip


def fetch(run: str, folder: Path) -> tuple[str, Path]:
    """Fetch what a pipeline's run left, by its id, its name or `latest`; give its name and a folder.

    Raises MissingError where there is no such run, or it holds no finished search.
    """
    be_brief()
    import mlflow

    client = mlflow.MlflowClient()
    found = find_run(client, run)
    target = folder / found.info.run_id
    target.mkdir(parents=True, exist_ok=True)
    try:
        for name in _FETCHED:
            if any(item.path == name for item in client.list_artifacts(found.info.run_id)):
                client.download_artifacts(found.info.run_id, name, str(target))
    except mlflow.exceptions.MlflowException as error:
        raise MissingError(
            f"the artifacts of run {run!r} could not be read ({str(error).splitlines()[0][:200]})"
        ) from error
    if not (target / paths.SEARCH_SUMMARY).exists():
        raise MissingError(f"run {run!r} holds no finished search")
    return f"{found.info.run_name} ({found.info.run_id})", target


def find_run(client: Any, run: str) -> Any:
    """Find a pipeline's run by its id, its name or `latest`. Raises MissingError where there is none."""
    import mlflow

    try:
        return _find_run(client, run)
    except mlflow.exceptions.MlflowException as error:
        raise MissingError(
            f"no run {run!r} could be read at {mask(tracking_uri())} ({str(error).splitlines()[0][:200]})"
        ) from error


def _find_run(client: Any, run: str) -> Any:
    import mlflow

    experiments = [item.experiment_id for item in client.search_experiments()]
    pipelines = "tags.`encore.kind` = 'pipeline'"
    if run == "latest":
        found = client.search_runs(experiments, pipelines, order_by=["start_time DESC"], max_results=1)
    elif re.fullmatch("[0-9a-f]{32}", run):
        return client.get_run(run)
    else:
        found = client.search_runs(experiments, f"{pipelines} and attributes.run_name = '{run}'")
    if len(found) != 1:
        raise mlflow.exceptions.MlflowException(f"{len(found)} runs have that name: use the run's id")
    return found[0]


def publish_verification(run_id: str, verification: dict[str, Any]) -> None:
    """Publish what `verify` found to the run that it verified: a tag, and all of it as an artifact."""
    be_brief()
    import mlflow

    client = mlflow.MlflowClient()
    client.set_tag(run_id, "encore.verified", verification["verdict"])
    client.set_tag(
        run_id, "encore.verified.how", "; ".join(check["what"] for check in verification["checks"])
    )
    client.log_dict(run_id, verification, "verification.json")
