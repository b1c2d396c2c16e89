"""From prepared arrays and params to what all trials of a search share."""

from pathlib import Path
from typing import Any

import numpy as np
from autokeras.engine.tuner import AutoTuner

from pipeline.params import Params
from pipeline.search.task import build_tuner, network_targets
from pipeline.search.trial import Study, input_moments


def make_study(
    params: Params,
    schema: dict[str, Any],
    arrays: dict[str, np.ndarray],
    folder: Path,
    logs: str | None = None,
) -> tuple[AutoTuner, Study]:
    """Build AutoKeras's tuner, which keeps files of its own in `folder`, and the study of its trials."""
    data = {f"x_{part}": arrays[f"x_{part}"] for part in ("train", "validation")}
    data |= {f"y_{part}": network_targets(arrays[f"y_{part}"], schema) for part in ("train", "validation")}
    tuner, network = build_tuner(schema, data, params.search, params.seed, folder)
    strict = params.determinism.level == "strict"
    moments = input_moments(data["x_train"])
    return tuner, Study(network, data, params.search, params.seed, strict, moments, logs)
