"""What a search leaves in `searched/`: the same bytes every time."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline import paths
from pipeline.console import say
from pipeline.determinism import GUARANTEES
from pipeline.digests import digest_array, digest_code, digest_json
from pipeline.files import (
    fresh_folder,
    in_order_of_mention,
    read_zip,
    rename_values,
    write_json,
    write_zip,
)
from pipeline.params import Params
from pipeline.search.journal import TRAINING_CODE
from pipeline.search.record import TrialRecord

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Searched:
    """A finished search."""

    records: list[TrialRecord]
    best: TrialRecord
    space: list[dict[str, Any]]
    # By what, where a limit other than max_trials ended it.
    cut: str | None
    environment: dict[str, Any]
    # What the trials depend on, digest by digest, and the journal folder named after it.
    inputs: dict[str, str]
    journal: str
    # Of the trained network, variable by variable, and how far its rewriting moved its outputs.
    weights: dict[str, Any]
    rewriting: float


def write_outputs(found: Searched, model: keras.Model, predictions: np.ndarray, params: Params) -> None:
    """Write trials, space, environment, network, test predictions and the summary of it all."""
    fresh_folder(paths.SEARCHED)
    outcomes = [record.outcome() for record in found.records]
    write_json(paths.TRIALS, outcomes)
    write_json(paths.SPACE, found.space)
    write_json(paths.NUMERIC_ENVIRONMENT, found.environment)
    np.save(paths.LIVE_PREDICTIONS, predictions)
    save_network(model, paths.NETWORK)
    write_json(
        paths.SEARCH_SUMMARY,
        {
            "objective": params.search.objective,
            "direction": params.search.direction,
            "best_trial": found.best.number,
            "best_score": found.best.score,
            "best_epoch": found.best.best_epoch,
            "n_trials": len(outcomes),
            "n_failed": sum(outcome["status"] == "FAILED" for outcome in outcomes),
            "cut": found.cut,
            "refit": params.search.refit,
            "n_weights": found.best.n_weights,
            "weights": found.weights,
            "rewriting": found.rewriting,
            # Where the trials' clock times are, as long as cleanup keeps it.
            "journal": found.journal,
            # By module, so that a comparison can name the one that differs.
            "code": code_digests(),
            "guarantee": GUARANTEES[params.determinism.level],
            "digests": {
                **found.inputs,
                "proposals": digest_json([record.proposal for record in found.records]),
                "trials": digest_json(outcomes),
                "weights": found.weights["digest"],
                "predictions": digest_array(predictions),
            },
        },
    )
    say(f"search: weights digest {found.weights['digest']}")


def code_digests() -> dict[str, str]:
    """Digest, one by one, the modules whose code can change a model's weights."""
    files = {*TRAINING_CODE, *(_PACKAGE / "search" / name for name in ("final_fit.py", "portable.py"))}
    files |= {path for room in ("prepare", "servable") for path in (_PACKAGE / room).rglob("*.py")}
    return {path.relative_to(_PACKAGE).as_posix(): digest_code([path]) for path in sorted(files)}


def save_network(model: keras.Model, path: Path) -> None:
    """Save a .keras file whose bytes depend on the model only.

    Keras writes the date into metadata.json and the zip (saving/saving_lib.py), and memory
    addresses into config.json as shared_object_id (saving/serialization_lib.py).
    """
    temporary = path.with_name(f".{os.getpid()}.keras")
    try:
        model.save(temporary)
        members = read_zip(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    metadata = json.loads(members["metadata.json"])
    metadata.pop("date_saved", None)
    members["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    number = in_order_of_mention(lambda n, _: n)
    config = rename_values(json.loads(members["config.json"]), "shared_object_id", number)
    members["config.json"] = json.dumps(config).encode()
    write_zip(path, members.items())
