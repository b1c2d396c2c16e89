"""The stage `search`: replay or run the trials, fit the best network, write what came out."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline import paths
from pipeline.console import note, say
from pipeline.determinism import GUARANTEES
from pipeline.digests import digest_array, digest_arrays, digest_json
from pipeline.environment import numeric_environment
from pipeline.files import (
    fresh_folder,
    in_order_of_mention,
    read_json,
    read_zip,
    rename_values,
    require,
    write_json,
    write_zip,
)
from pipeline.params import Params
from pipeline.scratch import prune, remove
from pipeline.search.final_fit import best_of_trial, refit, uncompiled
from pipeline.search.journal import Journal, journal_inputs
from pipeline.search.preload import freeze
from pipeline.search.progress import SearchProgress
from pipeline.search.proposals import Proposer
from pipeline.search.schedule import ranking, run_trials
from pipeline.search.task import build_tuner, network_targets
from pipeline.search.trial import Study, TrialRecord, weights_digest
from pipeline.search.workers import workers


def run(params: Params) -> None:
    """Turn `prepared/` into `searched/`.

    Raises SearchError where no trial succeeds, ReplayError where the journal disagrees.
    """
    freeze()
    schema = read_json(paths.SCHEMA, made_by="prepare")
    with np.load(require(paths.ARRAYS, made_by="prepare"), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    environment = numeric_environment(params.determinism)
    inputs = journal_inputs(params, digest_arrays(arrays), environment)
    prune(params.cleanup)
    journal = Journal(inputs, params.cleanup.keep_checkpoints)

    data = {f"x_{part}": arrays[f"x_{part}"] for part in ("train", "validation")}
    data |= {f"y_{part}": network_targets(arrays[f"y_{part}"], schema) for part in ("train", "validation")}
    paths.TUNERS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=paths.TUNERS))
    try:
        tuner, network = build_tuner(schema["task"], data, params.search, params.seed, folder)
        study = Study(network, data, params.search, params.seed, params.determinism.level == "strict")
        proposer = Proposer(tuner, network, params.seed, params.search.lookahead)
        with SearchProgress(params.search) as progress, workers(study, params.determinism) as submit:
            records = run_trials(proposer, submit, journal, params.search, progress.on_end)
    finally:
        remove(folder)

    if len(records) < params.search.max_trials:
        note(
            f"{params.search.tuner} had nothing left to propose after {len(records)} of "
            f"{params.search.max_trials} trials"
        )
    best = records[ranking(records, params.search)[0]]
    say(f"search: {_what_is_fitted(params, best)}")
    model = refit(study, best) if params.search.refit else best_of_trial(study, best, journal)
    predictions = model.predict(arrays["x_test"], batch_size=params.export.batch_size, verbose=0)
    _write(
        records, best, model, predictions, proposer.space(), environment, inputs, params, journal.folder.name
    )


def _what_is_fitted(params: Params, best: TrialRecord) -> str:
    n_epochs = (best.best_epoch or 0) + 1
    if params.search.refit:
        return f"training the network of trial {best.number + 1} on train + validation, {n_epochs} epochs"
    return f"keeping the weights of trial {best.number + 1}, epoch {n_epochs}"


def _write(
    records: list[TrialRecord],
    best: TrialRecord,
    model: keras.Model,
    predictions: np.ndarray,
    space: list[dict[str, Any]],
    environment: dict[str, Any],
    inputs: dict[str, str],
    params: Params,
    journal: str,
) -> None:
    fresh_folder(paths.SEARCHED)
    outcomes = [record.outcome() for record in records]
    weights = weights_digest(model)
    write_json(paths.TRIALS, outcomes)
    write_json(paths.SPACE, space)
    write_json(paths.NUMERIC_ENVIRONMENT, environment)
    np.save(paths.LIVE_PREDICTIONS, predictions)
    save_network(uncompiled(model), paths.NETWORK)
    write_json(
        paths.SEARCH_SUMMARY,
        {
            "objective": params.search.objective,
            "direction": params.search.direction,
            "best_trial": best.number,
            "best_score": best.score,
            "best_epoch": best.best_epoch,
            "n_trials": len(records),
            "n_failed": sum(record.status == "FAILED" for record in records),
            "refit": params.search.refit,
            "n_weights": best.n_weights,
            "weights": weights,
            # Where the trials' clock times are, as long as cleanup keeps it.
            "journal": journal,
            "guarantee": GUARANTEES[params.determinism.level],
            "digests": {
                **inputs,
                "proposals": digest_json([record.proposal for record in records]),
                "trials": digest_json(outcomes),
                "weights": weights["digest"],
                "predictions": digest_array(predictions),
            },
        },
    )
    say(f"search: weights digest {weights['digest']}")


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
