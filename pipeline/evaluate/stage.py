"""The stage `evaluate`: score the exported model on the raw test rows, beside its baselines."""

import numpy as np
import pandas as pd

from pipeline import paths, servable
from pipeline.console import say
from pipeline.digests import digest_array, digest_arrays
from pipeline.evaluate.baselines import baseline_metrics
from pipeline.evaluate.card import model_card
from pipeline.evaluate.metrics import classification_metrics, regression_metrics
from pipeline.evaluate.plots import plot_classification, plot_regression, plot_search
from pipeline.files import fresh_folder, read_json, require, write_json, write_whole
from pipeline.params import Params
from pipeline.scores import as_text


def run(params: Params) -> None:
    """Turn `exported/` into `reports/`: metrics.json, plots/ and evaluation.json."""
    parity = read_json(paths.PARITY, made_by="export")
    summary = read_json(paths.SEARCH_SUMMARY, made_by="search")
    trials = read_json(paths.TRIALS, made_by="search")
    with np.load(require(paths.ARRAYS, made_by="prepare"), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    rows = pd.read_parquet(require(paths.TEST_ROWS, made_by="prepare"))

    # By the form that is bit for bit the live network; the others were compared with it.
    model = servable.load(paths.MODEL, paths.MODEL / paths.NETWORK.name)
    schema = model.schema
    outputs = model.scores(rows)
    y = arrays["y_test"]
    fresh_folder(paths.REPORTS)
    fresh_folder(paths.PLOTS)
    if schema["task"] == "classification":
        probabilities = servable.class_probabilities(outputs)
        scores = {"model": classification_metrics(y, probabilities)}
        plot_classification(paths.PLOTS, y, probabilities, schema["classes"])
    else:
        predicted = servable.decode(outputs, schema)["prediction"].to_numpy()
        scores = {"model": regression_metrics(y, predicted)}
        plot_regression(paths.PLOTS, y, predicted)
    if params.evaluate.baselines:
        scores |= baseline_metrics(schema, arrays, with_validation=params.search.refit, seed=params.seed)
    plot_search(paths.PLOTS, trials, summary["objective"], summary["direction"])
    write_json(paths.METRICS, scores)
    prepared = read_json(paths.PREPARED_DIGESTS, made_by="prepare")
    test_set = digest_arrays({name: arrays[name] for name in ("x_test", "y_test")})
    card = model_card(params, schema, prepared, summary, parity, scores, test_set)
    write_whole(paths.MODEL_CARD, card.encode())
    write_json(
        paths.EVALUATION,
        {
            "test_rows": len(y),
            "test_set": test_set,
            "model": parity["digests"]["model"],
            "predictions": digest_array(outputs),
        },
    )
    say(as_text(scores))
