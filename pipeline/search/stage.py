"""The stage `search`: replay or run the trials, fit the best network, write what came out."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline import paths
from pipeline.console import note, say
from pipeline.digests import digest_arrays, digest_json
from pipeline.environment import numeric_environment
from pipeline.files import read_json, require
from pipeline.params import Params
from pipeline.scratch import prune, remove
from pipeline.search.budget import Budget
from pipeline.search.final_fit import best_of_trial, refit
from pipeline.search.journal import Journal, journal_inputs
from pipeline.search.outline import outline
from pipeline.search.outputs import Searched, write_outputs
from pipeline.search.portable import check_rewritten, portable
from pipeline.search.preload import freeze
from pipeline.search.progress import SearchProgress
from pipeline.search.proposals import Proposer
from pipeline.search.record import TrialRecord
from pipeline.search.schedule import ranking, run_trials
from pipeline.search.space import check_space
from pipeline.search.study import join_rows, make_study
from pipeline.search.trial import Data, Study, weights_digest
from pipeline.search.warm_start import read_warm_start
from pipeline.search.workers import workers


def run(params: Params) -> None:
    """Turn `prepared/` into `searched/`.

    Raises SearchError where too few trials succeed, ReplayError where the journal disagrees.
    """
    freeze()
    schema = read_json(paths.SCHEMA, made_by="prepare")
    with np.load(require(paths.ARRAYS, made_by="prepare"), allow_pickle=False) as arrays:
        # Not read from prepare's own record: what is digested is what trials will see.
        prepared = digest_json([digest_arrays(arrays), digest_json(schema)])
        data, x_test = join_rows(arrays, schema), arrays["x_test"]
    if params.search.space or params.search.pretrained:
        check_space(outline(params), params.search)
    environment = numeric_environment(params.determinism)
    warm_start = read_warm_start(params.search)
    inputs = journal_inputs(params, prepared, environment, warm_start)
    journal = Journal(inputs, params.cleanup.keep_checkpoints)
    # After this search's own journal was touched: an old one that is taken up again must stay.
    prune(params.cleanup)
    budget = Budget(params.search, journal)

    study, records, space = _search(params, schema, data, journal, budget, warm_start)
    best = records[ranking(records, params.search)[0]]
    trained = _fit_best(study, best, journal)
    network = portable(trained)
    batch_size = params.export.batch_size
    predictions = network.predict(x_test, batch_size=batch_size, verbose=0)
    rewriting = check_rewritten(trained.predict(x_test, batch_size=batch_size, verbose=0), predictions)
    weights = weights_digest(trained)
    found = Searched(
        records, best, space, budget.cut, environment, inputs, journal.folder.name, weights, rewriting
    )
    write_outputs(found, network, predictions, params)


def _search(
    params: Params,
    schema: dict[str, Any],
    data: Data,
    journal: Journal,
    budget: Budget,
    warm_start: list[dict[str, Any]],
) -> tuple[Study, list[TrialRecord], list[dict[str, Any]]]:
    """Run the trials; give what they share, their records and the space they uncovered."""
    settings = params.search
    logs = str(paths.TENSORBOARD / journal.folder.name) if settings.tensorboard else None
    paths.TUNERS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=paths.TUNERS))
    try:
        tuner, study = make_study(params, schema, data, folder, logs)
        proposer = Proposer(tuner, study.network, params.seed, settings, warm_start)
        with SearchProgress(settings) as progress, workers(study, params.determinism) as submit:
            records = run_trials(proposer, submit, journal, budget, settings, progress.on_end)
    finally:
        remove(folder)
    if budget.cut:
        note(f"the search was cut after {len(records)} trials by {budget.cut}")
    elif len(records) < settings.max_trials:
        note(f"{settings.tuner} had nothing left to propose after {len(records)} trials")
    return study, records, proposer.space()


def _fit_best(study: Study, best: TrialRecord, journal: Journal) -> keras.Model:
    n_epochs = (best.best_epoch or 0) + 1
    if study.search.refit:
        what = f"the network of trial {best.number + 1} on train + validation"
        say(f"search: training {what}, {n_epochs} epochs")
        return refit(study, best)
    say(f"search: keeping the weights of trial {best.number + 1}, epoch {n_epochs}")
    return best_of_trial(study, best, journal)
