"""From the files that stages wrote to what a run in MLflow should hold; MLflow itself is not needed.

Each part is taken only where it fits the one before it (an `exported/` of an older search does
not), so that a half-finished execution is shown as what it is.
"""

import json
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.digests import digest_json, digest_tree
from pipeline.environment import git_state, mask
from pipeline.executions import Execution, status
from pipeline.files import write_json
from pipeline.params import Params, flat
from pipeline.tracking.artifacts import copy_artifacts, copy_model, form_costs
from pipeline.tracking.note import describe

# Params that cannot change a result.
_NOT_RESULTS = ("tracking.", "cleanup.", "export.register_as")
# Longest param value that MLflow takes.
_MAX_PARAM = 6000
STAGES = ("prepare", "search", "export", "evaluate")


def project(execution: Execution, params: Params) -> Path | None:
    """Write `run.json` and a copy of the artifacts into the execution's folder.

    A copy, because the next execution overwrites the stages' outputs, perhaps before a tracking
    server can be reached. Returns None where no search has finished.
    """
    search = _read(paths.SEARCH_SUMMARY)
    prepared = _read(paths.PREPARED_DIGESTS)
    if search is None or prepared is None:
        return None
    if search["digests"]["data"] != digest_json([prepared["arrays"], prepared["schema"]]):
        return None
    parity = _fitting(paths.PARITY, "weights", search["digests"]["weights"])
    evaluation = _fitting(paths.EVALUATION, "model", parity["digests"]["model"] if parity else None)
    scores = _read(paths.METRICS) if evaluation else None
    record = execution.read()
    values = flat(params)
    if search["cut"]:
        # What a rerun must be told to reach the same trials on any machine.
        values["search.max_trials"] = search["n_trials"]
    links = chain(flat(params), search, prepared)
    run = {
        "key": execution.key,
        "outputs": outputs_digest(),
        "experiment": params.tracking.experiment,
        "mlflow_run_id": record.get("mlflow_run_id"),
        "status": status(record),
        "started": record["started"],
        "params": {name: _text(value) for name, value in values.items()} | _digest_params(links),
        "tags": _tags(record, links, search, parity, evaluation),
        "metrics": _metrics(record, search, scores),
        "note": describe(record, params, search, scores, parity, links),
        "datasets": _datasets(params, prepared),
        "trials": _trials(search),
        "model": bool(parity),
        "register_as": params.export.register_as,
        "schema": _read(paths.SCHEMA),
    }
    copy_artifacts(execution, params, search, evaluation is not None)
    if parity:
        copy_model(execution, parity, record)
    write_json(execution.folder / "run.json", run)
    return execution.folder / "run.json"


def chain(
    params: dict[str, Any],
    search: dict[str, Any],
    prepared: dict[str, Any],
) -> dict[str, str]:
    """Name the digests from cause to effect; two runs are the same as far as theirs are."""
    digests = search["digests"]
    return {
        "data": prepared["data"],
        "split": prepared["split"],
        "params": digest_json({k: v for k, v in params.items() if not k.startswith(_NOT_RESULTS)}),
        "code": digest_json(search["code"]),
        "environment": digests["environment"],
        "proposals": digests["proposals"],
        "trials": digests["trials"],
        "weights": digests["weights"],
        "predictions": digests["predictions"],
    }


def _digest_params(links: dict[str, str]) -> dict[str, str]:
    """Number the chain's digests as params: MLflow's compare page shows params, and no tags."""
    return {f"digest.{place}_{name}": digest for place, (name, digest) in enumerate(links.items(), 1)}


def _tags(
    record: dict[str, Any],
    links: dict[str, str],
    search: dict[str, Any],
    parity: dict[str, Any] | None,
    evaluation: dict[str, Any] | None,
) -> dict[str, str]:
    tags = {f"encore.digest.{name}": digest for name, digest in links.items()}
    if parity:
        tags["encore.digest.model"] = parity["digests"]["model"]
    if evaluation:
        tags["encore.digest.test_set"] = evaluation["test_set"]
    tags["encore.execution"] = record["key"]
    tags["encore.direction"] = search["direction"]
    tags["encore.guarantee"] = search["guarantee"]
    # All searches that differ in max_trials only: they share their trials.
    tags["encore.study"] = digest_json(
        [search["digests"][k] for k in ("data", "recipe", "environment", "code")]
    )
    if "mlflow_run_id" not in record:
        # What MLflow itself would have noted, had it started the run.
        tags |= {"mlflow.source.name": "dvc repro", "mlflow.source.type": "LOCAL"}
    git = git_state()
    if git:
        tags["mlflow.source.git.commit"] = git["commit"]
        tags["encore.git.dirty"] = str(git["dirty"]).lower()
    for stage in STAGES:
        entry = record["stages"].get(stage)
        tags[f"encore.stage.{stage}"] = "executed" if entry else "reused"
    return tags


def _metrics(
    record: dict[str, Any], search: dict[str, Any], scores: dict[str, Any] | None
) -> dict[str, float]:
    metrics = {
        "search.best_score": search["best_score"],
        "search.best_trial": search["best_trial"],
        "search.n_trials": search["n_trials"],
        "search.n_failed": search["n_failed"],
    }
    for model, values in (scores or {}).items():
        prefix = "test" if model == "model" else f"baseline.{model}"
        metrics |= {f"{prefix}.{name}": value for name, value in values.items()}
    for stage, entry in record["stages"].items():
        if "seconds" in entry:
            metrics[f"seconds.{stage}"] = entry["seconds"]
    for form, costs in form_costs(record).items():
        metrics |= {f"export.{form}.{name}": value for name, value in costs.items()}
    return metrics


def _datasets(params: Params, prepared: dict[str, Any]) -> list[dict[str, Any]]:
    # MLflow allows 36 characters; its own digest looks at the first values only.
    digest = prepared["data"][:36]
    return [
        {"name": params.data.path, "digest": digest, "context": part, "rows": rows}
        for part, rows in prepared["rows"].items()
    ]


def _trials(search: dict[str, Any]) -> list[dict[str, Any]]:
    """Give every trial its clock times from the journal, where it is still there."""
    journal = paths.JOURNALS / search["journal"]
    trials = []
    for trial in json.loads(paths.TRIALS.read_text(encoding="utf-8")):
        times = _read(journal / f"trial-{trial['number']:05d}.json") or {}
        error = times.get("error") or trial["error"]
        trials.append(
            trial | {"started": times.get("started"), "seconds": times.get("seconds"), "error": error}
        )
    return trials


def _fitting(path: Path, key: str, digest: str | None) -> dict[str, Any] | None:
    """Read a stage's summary, or None where it is missing or belongs to something else."""
    value = _read(path)
    if value is None or digest is None:
        return None
    return value if value.get("digests", value).get(key) == digest else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _text(value: Any) -> str:
    text = mask(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MAX_PARAM else f"see params.yaml (digest {digest_json(value)})"


def is_current(execution: Execution) -> bool:
    """Tell whether what was published, or is to be, for an execution is what the files hold now."""
    run = _read(execution.folder / "run.json")
    return run is not None and run["outputs"] == outputs_digest()


def outputs_digest() -> str:
    """Digest all stage outputs together."""
    folders = (paths.PREPARED, paths.SEARCHED, paths.EXPORTED, paths.REPORTS)
    return digest_json({str(folder): digest_tree(folder) for folder in folders if folder.exists()})
