"""From prepared arrays and params to what all trials of a search share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from autokeras.engine.tuner import AutoTuner

from pipeline.params import Params
from pipeline.search.normalisation import input_moments
from pipeline.search.task import build_tuner, network_targets
from pipeline.search.training import aligned
from pipeline.search.trial import Data, Study


def join_rows(arrays: Mapping[str, np.ndarray], schema: dict[str, Any]) -> Data:
    """Put training and validation rows behind one another: they are held once, however they are used."""
    x, y = (np.concatenate([arrays[f"{name}_{part}"] for part in ("train", "validation")]) for name in "xy")
    return Data(aligned(x), network_targets(y, schema), len(arrays["y_train"]))


def make_study(
    params: Params, schema: dict[str, Any], data: Data, folder: Path, logs: str | None = None
) -> tuple[AutoTuner, Study]:
    """Build AutoKeras's tuner, which keeps files of its own in `folder`, and the study of its trials."""
    x, y = data.x[: data.n_train], data.y[: data.n_train]
    tuner, network = build_tuner(schema, x, y, params.search, params.seed, folder)
    strict = params.determinism.level == "strict"
    moments = input_moments(x)
    return tuner, Study(network, data, params.search, params.seed, strict, moments, logs)
