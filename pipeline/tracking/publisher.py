"""One run in MLflow: found or created, then given all that its payload holds."""

import json
import time
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.tracking.model import log_model
from pipeline.tracking.registry import register
from pipeline.tracking.table import trials_table
from pipeline.tracking.verdict import closest, compared_with

_KEY_TAG = "encore.execution"
_TRIAL_TAG = "encore.trial"
# MLflow's limits for one batch.
_MAX_METRICS = 1000
_MAX_ENTRIES = 100
_TERMINAL = {"FINISHED", "FAILED", "KILLED"}


class Publisher:
    """Sends one payload; everything is looked up before it is created, so twice doubles nothing."""

    def __init__(self, run: dict[str, Any], folder: Path) -> None:
        import mlflow

        self._run = run
        self._folder = folder
        self._client = mlflow.MlflowClient()
        self._experiment = self._find_experiment()

    def send(self) -> str:
        """Send parent, trials and model; returns the parent's run id."""
        run_id = self._find_or_create_parent()
        self._log_parent(run_id)
        self._log_trials(run_id)
        model = self._folder / "model"
        if self._run["model"] and model.exists():
            model_id = log_model(
                self._client, run_id, model, self._run["schema"], self._run["tags"]["encore.digest.model"]
            )
            card = self._folder / "artifacts" / paths.MODEL_CARD
            if card.exists():
                self._client.log_model_artifact(model_id, str(card))
            if name := self._run["register_as"]:
                register(self._client, name, run_id, model_id, self._run["tags"])
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

        note = "\n\n".join([*self._verdict(run_id), self._run["note"]])
        tags = self._run["tags"] | {"encore.kind": "pipeline", "mlflow.note.content": note}
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
        self._client.log_dict(run_id, trials_table(self._run["trials"]), "trials_table.json")

    def _verdict(self, run_id: str) -> list[str]:
        """Compare with the earlier run that this one is most like."""
        earlier = [
            run
            for run in self._search("tags.`encore.kind` = 'pipeline'")
            if run.info.run_id != run_id and run.info.start_time < _milliseconds(self._run["started"])
        ]
        found = closest(self._run["tags"], earlier)
        return [compared_with(run_id, self._run["tags"], found)] if found else []

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


def _points(metrics: dict[str, float], when: float) -> list[tuple[str, float, float, int]]:
    return [(name, value, when, 0) for name, value in metrics.items()]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
