"""MLflow's model registry: versions of proved models, the candidate, and the champion."""

from typing import Any

from pipeline.environment import mask
from pipeline.errors import MissingError, RegistryError
from pipeline.tracking.model import MODEL_TAG
from pipeline.tracking.runs import find_run
from pipeline.tracking.server import be_brief, tracking_uri

# What decides between two models, and whether more of it is better.
_DECIDING = {"classification": ("test.accuracy", True), "regression": ("test.rmse", False)}


def register(client: Any, name: str, run_id: str, model_id: str, tags: dict[str, str]) -> None:
    """Register a proved model as a version, with its digests, and make it the candidate."""
    import mlflow

    try:
        client.get_registered_model(name)
    except mlflow.MlflowException:
        client.create_registered_model(name)
    versions = client.search_model_versions(f"name = '{name}'")
    found = next((version for version in versions if version.tags.get(MODEL_TAG) == model_id), None)
    if found is None:
        digests = {key: value for key, value in tags.items() if key.startswith("encore.digest.")}
        found = client.create_model_version(
            name, f"models:/{model_id}", run_id, digests | {MODEL_TAG: model_id}, model_id=model_id
        )
        client.set_registered_model_alias(name, "candidate", found.version)


def find_model(run: str) -> str:
    """Give the address of a run's model. Raises MissingError where the run has none."""
    be_brief()
    import mlflow

    found = find_run(mlflow.MlflowClient(), run)
    model_id = found.data.tags.get(MODEL_TAG)
    if model_id is None:
        raise MissingError(
            f"run {found.info.run_name} at {mask(tracking_uri())} has no proved model. Run `make repro` to "
            "the end, or name another run."
        )
    return f"models:/{model_id}"


def promote(run: str, *, anyway: bool) -> str:
    """Make a run's version the champion; say what happened.

    Raises RegistryError for a model that was not registered, is worse than the present champion, or
    was measured on other test rows; `anyway` overrules all but the first.
    """
    be_brief()
    import mlflow

    client = mlflow.MlflowClient()
    found = find_run(client, run)
    label = f"run {found.info.run_name}"
    versions = client.search_model_versions(f"run_id = '{found.info.run_id}'")
    if not versions:
        raise RegistryError(
            f"{label} has no registered model: only proved ones are registered. Set export.register_as to a "
            "name and run `make repro`."
        )
    version = max(versions, key=lambda item: int(item.version))
    try:
        champion = client.get_model_version_by_alias(version.name, "champion")
    except mlflow.MlflowException:
        champion = None
    if champion is not None and champion.version == version.version:
        return f"{version.name} version {version.version} is the champion already"
    problem = _objection(client, found, champion)
    if problem and not anyway:
        raise RegistryError(
            f"{label} is not made the champion of {version.name}: {problem} Add --anyway to do it."
        )
    client.set_registered_model_alias(version.name, "champion", version.version)
    before = f", in place of version {champion.version}" if champion else ""
    return f"{version.name} version {version.version} is now the champion{before}" + (
        f" (anyway: {problem})" if problem else ""
    )


def _objection(client: Any, challenger: Any, champion: Any) -> str | None:
    """Say what speaks against a challenger, if anything does."""
    metric, more_is_better = _DECIDING[challenger.data.params["data.task"]]
    if metric not in challenger.data.metrics:
        return f"it has no {metric}, because it was never evaluated."
    if champion is None:
        return None
    present = client.get_run(champion.run_id)
    ours, theirs = (item.data.tags.get("encore.digest.test_set") for item in (challenger, present))
    if ours != theirs or ours is None:
        return f"its test set ({_short(ours)}) is not that of version {champion.version} ({_short(theirs)})."
    new, old = challenger.data.metrics[metric], present.data.metrics.get(metric)
    if old is None:
        return f"version {champion.version} has no {metric} to compare with."
    if (new < old) if more_is_better else (new > old):
        return f"{metric} is {new:.5g}, but {old:.5g} for version {champion.version}."
    return None


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "not recorded"
