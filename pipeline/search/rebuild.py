"""One trial of a finished search, trained again from its hyperparameters and number."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.digests import digest_arrays, digest_code, digest_json
from pipeline.environment import numeric_environment
from pipeline.errors import SearchError
from pipeline.params import Params
from pipeline.search.journal import TRAINING_CODE
from pipeline.search.portable import portable
from pipeline.search.study import join_rows, make_study
from pipeline.search.trial import build, hyperparameters_of, run_trial, weights_digest


def present_inputs(params: Params, schema: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Digest what a trial would depend on here and now, as the search recorded it."""
    return {
        "data": digest_json([digest_arrays(arrays), digest_json(schema)]),
        "environment": digest_json(numeric_environment(params.determinism)),
        "code": digest_code(TRAINING_CODE),
    }


def rebuild_trial(
    params: Params, schema: dict[str, Any], arrays: dict[str, np.ndarray], outcome: dict[str, Any]
) -> tuple[keras.Model, str]:
    """Train a trial again; give its network, ready to be saved, and the digest of its weights.

    Raises SearchError where it fails now.
    """
    with tempfile.TemporaryDirectory() as scratch:
        _, study = make_study(params, schema, join_rows(arrays, schema), Path(scratch))
    config = {"space": [], "values": outcome["hyperparameters"]}
    record, weights = run_trial(study, outcome["number"], config)
    if record.error is not None:
        raise SearchError(
            f"trial {outcome['number']} was recorded as completed, but fails now with {record.error.type}: "
            f"{record.error.message}."
        )
    model = build(study, hyperparameters_of(study, config))
    model.set_weights(weights)
    return portable(model), str(weights_digest(model)["digest"])
