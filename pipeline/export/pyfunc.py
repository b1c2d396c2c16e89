"""The MLflow model, logged as this code: `mlflow.pyfunc.load_model` runs it, unpickling nothing."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE


class RawRowsModel(mlflow.pyfunc.PythonModel):
    """Predictions for a DataFrame with the training table's own columns, in any order."""

    def load_context(self, context: Any) -> None:
        """Load the model folder with the code that was exported with it."""
        folder = Path(context.artifacts["model"])
        name, code = "encore_servable", folder / "servable" / "__init__.py"
        spec = importlib.util.spec_from_file_location(
            name, code, submodule_search_locations=[str(code.parent)]
        )
        if spec is None or spec.loader is None:
            raise FileNotFoundError(f"{code} is missing; log the model again")
        servable = importlib.util.module_from_spec(spec)
        # The package imports its own modules by this name.
        sys.modules[name] = servable
        spec.loader.exec_module(servable)
        self._model, self._refused = servable.load(folder), servable.RowsError

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict labels and class probabilities, or values.

        Raises MlflowException, which the scoring server answers with 400, for rows that cannot be read.
        """
        try:
            return self._model.predict(model_input)
        except self._refused as error:
            raise mlflow.MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


mlflow.models.set_model(RawRowsModel())
