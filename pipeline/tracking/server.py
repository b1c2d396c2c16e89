"""How MLflow is talked to: briefly, quietly, and with no wait for a server that is gone."""

import os

# A server that refuses connections would block every call for minutes by MLflow's own defaults.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # Creating tables and models is announced at length; failures still come through.
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}


def be_brief() -> None:
    """Set MLflow's patience and verbosity, before it is imported, where the user did not."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def tracking_uri() -> str:
    """Name the tracking server or store in use."""
    import mlflow

    return str(mlflow.get_tracking_uri())
