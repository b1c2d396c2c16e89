"""Logging the servable model to a run, once for each model digest."""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

MODEL_TAG = "encore.model_id"
_DIGEST_TAG = "encore.model"


def log_model(client: Any, run_id: str, folder: Path, schema: dict[str, Any], digest: str) -> str:
    """Log the servable model in `folder` to a run, unless the run has the one of that digest.

    Returns the logged model's id.
    """
    found = client.get_run(run_id)
    if found.data.tags.get(_DIGEST_TAG) == digest:
        return str(found.data.tags[MODEL_TAG])
    import mlflow
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model, ModelSignature

    example = json.loads((folder / "input_example.json").read_text(encoding="utf-8"))
    requirements = (folder / "requirements.txt").read_text(encoding="utf-8").split()
    inputs, outputs = _signature(schema)
    # By parts, because mlflow.pyfunc.log_model would load the model, and TensorFlow with it,
    # only to try the input example: the export stage has proved the model already.
    logged = client.create_logged_model(
        found.info.experiment_id, name="model", source_run_id=run_id, tags={"encore.digest.model": digest}
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
            input_example=_example(example, schema),
            pip_requirements=[f"mlflow=={mlflow.__version__}", *requirements],
        )
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    # The digest last: only then is the model whole.
    client.set_tag(run_id, MODEL_TAG, logged.model_id)
    client.set_tag(run_id, _DIGEST_TAG, digest)
    return str(logged.model_id)


def _example(example: dict[str, Any], schema: dict[str, Any]) -> Any:
    import pandas as pd

    rows = pd.DataFrame(example["data"], columns=example["columns"])
    for column in schema["columns"]:
        if column["type"] == "image":
            rows[column["name"]] = rows[column["name"]].map(base64.b64decode)
    return rows


def _signature(schema: dict[str, Any]) -> tuple[Any, Any]:
    """Declare a table's columns optional, and numbers double: MLflow would refuse a missing integer."""
    from mlflow.types import ColSpec, Schema

    kinds = {"numeric": "double", "image": "binary"}
    optional = schema["kind"] == "structured"
    inputs = [
        ColSpec(kinds.get(c["type"], "string"), c["name"], required=not optional) for c in schema["columns"]
    ]
    if schema["task"] == "regression":
        outputs = [ColSpec("double", "prediction")]
    else:
        outputs = [ColSpec("string", "prediction")]
        outputs += [ColSpec("double", f"probability_{name}") for name in schema["classes"]]
    return Schema(inputs), Schema(outputs)
