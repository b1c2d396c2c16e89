"""The best hyperparameters of an earlier run, to be tried first."""

import json
from typing import Any

from pipeline import paths
from pipeline.files import write_json
from pipeline.params import Search


def read_warm_start(settings: Search) -> list[dict[str, Any]]:
    """Read the hyperparameters of the best trials of the run `search.warm_start`, best first.

    They are asked of MLflow once and kept in scratch: a search that is resumed needs no server.
    Raises MissingError where the run cannot be read or has no successful trial.
    """
    if settings.warm_start is None:
        return []
    path = paths.WARM_STARTS / f"{settings.warm_start}-{settings.warm_start_top}.json"
    if not path.exists():
        from pipeline.tracking import runs

        write_json(path, runs.best_hyperparameters(settings.warm_start, settings.warm_start_top))
    values: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return values
