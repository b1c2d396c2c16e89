"""The only module that talks to MLflow: it sends what `projection` wrote, once or again.

Everything is looked up before it is created, so publishing twice doubles nothing. A failure here
is a warning: what could not be sent stays in the execution's folder for `python -m pipeline
publish`.
"""

import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline import executions, paths
from pipeline.console import warn
from pipeline.environment import mask
from pipeline.errors import MissingError
from pipeline.executions import Execution

# A server that refuses connections would block every call for minutes by MLflow's own defaults.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # Creating tables and models is announced at length; failures still come through.
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
_KEY_TAG = "encore.execution"
_TRIAL_TAG = "encore.trial"
_TRIAL_COLUMNS = ["trial", "status", "score", "best_epoch", "n_weights", "seconds", "weights_digest"]
# MLflow's limits for one batch.
_MAX_METRICS = 1000
_MAX_ENTRIES = 100
_TERMINAL = {"FINISHED", "FAILED", "KILLED"}


def publish(execution: Execution) -> str | None:
    """Send an execution to MLflow; returns the run's id, or None with a warning where that failed."""
    _be_patient()
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


def best_hyperparameters(run_id: str, top: int) -> list[dict[str, Any]]:
    """Read the hyperparameters of a run's best trials, best first.

    Raises MissingError where the run cannot be read or has no successful trial.
    """
    _be_patient()
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
    fixed = set(_TRIAL_COLUMNS)
    return [
        {k: v for k, v in trial.items() if k not in fixed and not k.startswith("tuner/") and v is not None}
        for trial in scored[:top]
    ]


def fetch(run: str, folder: Path) -> tuple[str, Path]:
    """Fetch what a pipeline's run left, by its id, its name or `latest`; give its name and a folder.

    Raises MissingError where there is no such run, or it holds no finished search.
    """
    _be_patient()
    import mlflow

    client = mlflow.MlflowClient()
    try:
        found = _find_run(client, run)
        target = folder / found.info.run_id
        target.mkdir(parents=True, exist_ok=True)
        for name in ("params.yaml", "prepared", "searched", "reports"):
            if any(item.path == name for item in client.list_artifacts(found.info.run_id)):
                client.download_artifacts(found.info.run_id, name, str(target))
    except mlflow.exceptions.MlflowException as error:
        raise MissingError(
            f"no run {run!r} could be read at {mask(tracking_uri())} ({str(error).splitlines()[0][:200]})"
        ) from error
    if not (target / paths.SEARCH_SUMMARY).exists():
        raise MissingError(f"run {run!r} holds no finished search")
    return f"{found.info.run_name} ({found.info.run_id})", target


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


def _be_patient() -> None:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def _send(execution: Execution, record: dict[str, Any], status: str) -> str:
    payload = execution.folder / "run.json"
    if payload.exists():
        run = json.loads(payload.read_text(encoding="utf-8")) | {"status": status}
        return _Publisher(run, execution.folder).send()
    # Killed before there was any result: all that is left is to end the run of `mlflow run`.
    import mlflow

    run_id = str(record["mlflow_run_id"])
    mlflow.MlflowClient().set_terminated(run_id, status)
    return run_id


def tracking_uri() -> str:
    """Name the tracking server or store in use."""
    import mlflow

    return str(mlflow.get_tracking_uri())


class _Publisher:
    def __init__(self, run: dict[str, Any], folder: Path) -> None:
        import mlflow

        self._run = run
        self._folder = folder
        self._client = mlflow.MlflowClient()
        self._experiment = self._find_experiment()

    def send(self) -> str:
        run_id = self._find_or_create_parent()
        self._log_parent(run_id)
        self._log_trials(run_id)
        if self._run["model"] and (self._folder / "model").exists():
            self._log_model(run_id)
        # `mlflow run` ends its own run; if its process died, it is ended here.
        if self._run["status"] in _TERMINAL:
            self._client.set_terminated(run_id, self._run["status"])
        return run_id

    def _find_experiment(self) -> str:
        # `mlflow run --experiment-name` wins: its run is there already.
        if run_id := self._run["mlflow_run_id"]:
            return str(self._client.get_run(run_id).info.experiment_id)
        name = self._run["experiment"]
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _search(self, filter_string: str) -> list[Any]:
        return list(self._client.search_runs([self._experiment], filter_string, max_results=1000))

    def _find_or_create_parent(self) -> str:
        if run_id := self._run["mlflow_run_id"]:
            return str(run_id)
        found = self._search(f"tags.`{_KEY_TAG}` = '{self._run['key']}' and tags.`encore.kind` = 'pipeline'")
        if found:
            return str(found[0].info.run_id)
        name = time.strftime("pipeline-%Y%m%d-%H%M%S", time.localtime(self._run["started"]))
        created = self._client.create_run(
            self._experiment,
            start_time=_milliseconds(self._run["started"]),
            run_name=name,
            tags={_KEY_TAG: self._run["key"], "encore.kind": "pipeline"},
        )
        return str(created.info.run_id)

    def _log_parent(self, run_id: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        tags = self._run["tags"] | {"encore.kind": "pipeline", "mlflow.note.content": self._run["note"]}
        if self._run["tags"]["encore.stage.search"] == "reused":
            tags["encore.reused_from"] = self._origin(run_id)
        self._log(run_id, self._run["params"], tags, _points(self._run["metrics"], self._run["started"]))
        known = {item.dataset.name for item in self._client.get_run(run_id).inputs.dataset_inputs}
        inputs = [
            DatasetInput(
                Dataset(
                    name=f"{entry['name']} ({entry['context']})",
                    digest=entry["digest"],
                    source_type="local",
                    source=json.dumps({"uri": entry["name"]}),
                    profile=json.dumps({"num_rows": entry["rows"]}),
                ),
                [InputTag("mlflow.data.context", entry["context"])],
            )
            for entry in self._run["datasets"]
        ]
        new = [item for item in inputs if item.dataset.name not in known]
        if new:
            self._client.log_inputs(run_id, new)
        if (self._folder / "artifacts").exists():
            self._client.log_artifacts(run_id, str(self._folder / "artifacts"))
        self._client.log_dict(run_id, _table(self._run["trials"]), "trials_table.json")

    def _origin(self, run_id: str) -> str:
        """Find the run that executed the search whose result is reused here."""
        trials = self._run["tags"]["encore.digest.trials"]
        found = self._search(
            f"tags.`encore.digest.trials` = '{trials}' and tags.`encore.stage.search` = 'executed' "
            "and tags.`encore.kind` = 'pipeline'"
        )
        others = [run for run in found if run.info.run_id != run_id]
        oldest = min(others, key=lambda run: run.info.start_time, default=None)
        return oldest.info.run_id if oldest else "an execution that was never published"

    def _log_trials(self, parent: str) -> None:
        children = {
            run.data.tags.get(_TRIAL_TAG): run.info
            for run in self._search(f"tags.`mlflow.parentRunId` = '{parent}'")
        }
        for trial in self._run["trials"]:
            number = f"{trial['number']:05d}"
            info = children.get(number)
            if info is not None and info.status in _TERMINAL:
                continue
            run_id = info.run_id if info else self._create_child(parent, trial, number)
            self._log_trial(run_id, trial)

    def _create_child(self, parent: str, trial: dict[str, Any], number: str) -> str:
        created = self._client.create_run(
            self._experiment,
            start_time=_milliseconds(trial["started"] or self._run["started"]),
            run_name=f"trial-{trial['number']:03d}",
            tags={"mlflow.parentRunId": parent, _TRIAL_TAG: number, "encore.kind": "trial"},
        )
        return str(created.info.run_id)

    def _log_trial(self, run_id: str, trial: dict[str, Any]) -> None:
        study = {k: v for k, v in self._run["tags"].items() if not k.startswith("encore.stage")}
        own = {
            "encore.digest.weights": (trial["weights"] or {}).get("digest", ""),
            "encore.status": trial["status"],
        }
        if trial["error"]:
            own["encore.error"] = f"{trial['error']['type']}: {trial['error']['message']}"[:5000]
            self._client.log_text(run_id, trial["error"].get("traceback", ""), "traceback.txt")
        for name in ("trials", "weights", "predictions", "model"):
            study.pop(f"encore.digest.{name}", None)
        started = trial["started"] or self._run["started"]
        step_seconds = (trial["seconds"] or 0.0) / max(1, len(trial["epochs"]))
        points = [
            (name, value, started + step_seconds * (epoch + 1), epoch)
            for epoch, metrics in enumerate(trial["epochs"])
            for name, value in metrics.items()
        ]
        final = {
            "score": trial["score"],
            "best_epoch": trial["best_epoch"],
            "n_weights": trial["n_weights"],
            "seconds": trial["seconds"],
            "effective_batch_size": trial["effective_batch_size"],
        }
        points += _points({k: v for k, v in final.items() if v is not None}, started)
        params = {name: json.dumps(value).strip('"') for name, value in trial["hyperparameters"].items()}
        self._log(run_id, params, study | own, points)
        ended = started + (trial["seconds"] or 0.0)
        status = "FINISHED" if trial["status"] == "COMPLETED" else "FAILED"
        self._client.set_terminated(run_id, status, end_time=_milliseconds(ended))

    def _log(
        self,
        run_id: str,
        params: dict[str, str],
        tags: dict[str, str],
        points: list[tuple[str, float, float, int]],
    ) -> None:
        """Log in batches within MLflow's limits."""
        from mlflow.entities import Metric, Param, RunTag

        # `mlflow run` has logged its own -P values; another value for one would drop the batch.
        known = self._client.get_run(run_id).data.params
        new = [Param(name, value) for name, value in params.items() if name not in known]
        labels = [RunTag(name, value) for name, value in tags.items()]
        metrics = [
            Metric(name, float(value), _milliseconds(when), step) for name, value, when, step in points
        ]
        for start in range(0, max(len(new), len(labels)), _MAX_ENTRIES // 2):
            part = slice(start, start + _MAX_ENTRIES // 2)
            self._client.log_batch(run_id, params=new[part], tags=labels[part])
        for start in range(0, len(metrics), _MAX_METRICS):
            self._client.log_batch(run_id, metrics=metrics[start : start + _MAX_METRICS])

    def _log_model(self, run_id: str) -> None:
        """Log the servable model once for each model digest."""
        digest = self._run["tags"]["encore.digest.model"]
        if self._client.get_run(run_id).data.tags.get("encore.model") == digest:
            return
        import mlflow
        import pandas as pd
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus
        from mlflow.models import Model, ModelSignature

        folder = self._folder / "model"
        example = json.loads((folder / "input_example.json").read_text(encoding="utf-8"))
        requirements = (folder / "requirements.txt").read_text(encoding="utf-8").split()
        inputs, outputs = _signature(self._run["schema"])
        # By parts, because mlflow.pyfunc.log_model would load the model, and TensorFlow with it,
        # only to try the input example: the export stage has proved the model already.
        logged = self._client.create_logged_model(
            self._experiment, name="model", source_run_id=run_id, tags={"encore.digest.model": digest}
        )
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "model")
            mlflow.pyfunc.save_model(
                path,
                mlflow_model=Model(
                    artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=run_id
                ),
                python_model=str(folder / "pyfunc.py"),
                artifacts={"model": str(folder)},
                signature=ModelSignature(inputs=inputs, outputs=outputs),
                input_example=pd.DataFrame(example["data"], columns=example["columns"]),
                pip_requirements=[f"mlflow=={mlflow.__version__}", *requirements],
            )
            self._client.log_model_artifacts(logged.model_id, str(path))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        self._client.set_tag(run_id, "encore.model", digest)


def _signature(schema: dict[str, Any]) -> tuple[Any, Any]:
    """Declare every column optional, and numbers double: MLflow would refuse a missing integer."""
    from mlflow.types import ColSpec, Schema

    kinds = {"numeric": "double", "categorical": "string"}
    inputs = [ColSpec(kinds[c["type"]], c["name"], required=False) for c in schema["columns"]]
    if schema["task"] == "regression":
        outputs = [ColSpec("double", "prediction")]
    else:
        outputs = [ColSpec("string", "prediction")]
        outputs += [ColSpec("double", f"probability_{name}") for name in schema["classes"]]
    return Schema(inputs), Schema(outputs)


def _table(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Lay out all trials as the table that MLflow's UI shows for `log_table`."""
    names = sorted({name for trial in trials for name in trial["hyperparameters"]})
    rows = [
        [
            trial["number"], trial["status"], trial["score"], trial["best_epoch"],
            trial["n_weights"], trial["seconds"], (trial["weights"] or {}).get("digest"),
            *(trial["hyperparameters"].get(name) for name in names),
        ]
        for trial in trials
    ]  # fmt: skip
    return {"columns": _TRIAL_COLUMNS + names, "data": rows}


def _points(metrics: dict[str, float], when: float) -> list[tuple[str, float, float, int]]:
    return [(name, value, when, 0) for name, value in metrics.items()]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
