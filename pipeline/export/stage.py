"""The stage `export`: write the servable model, then prove it in a fresh process."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.console import say, size
from pipeline.digests import digest_array, digest_tree
from pipeline.errors import ParityError
from pipeline.export.bundle import write_bundle
from pipeline.export.parity import compare_outputs, fresh_predictions
from pipeline.files import fresh_folder, read_json, require, write_json
from pipeline.params import Params
from pipeline.servable import decode


def run(params: Params) -> dict[str, Any]:
    """Turn `searched/` into `exported/`. Returns the fresh process's timings.

    Raises ParityError, leaving no model behind, where the saved model's predictions for the raw
    test rows are not, bit for bit, those of the live one.
    """
    schema = read_json(paths.SCHEMA, made_by="prepare")
    summary = read_json(paths.SEARCH_SUMMARY, made_by="search")
    live = np.load(require(paths.LIVE_PREDICTIONS, made_by="search"))
    rows = pd.read_parquet(require(paths.TEST_ROWS, made_by="prepare"))
    fresh_folder(paths.EXPORTED)
    write_bundle(paths.MODEL, paths.NETWORK, paths.PREPROCESSOR, schema, rows, params)

    loaded, timings = fresh_predictions(paths.MODEL, paths.TEST_ROWS)
    report = compare_outputs(live, loaded)
    if not report["identical"]:
        fresh_folder(paths.EXPORTED)
        raise ParityError(
            f"The saved model must predict the {len(live)} test rows like the live one, bit for "
            f"bit, but got {report}. The model was not kept; is prepared/ of the same execution "
            "as searched/? Run `dvc repro`."
        )
    if schema["task"] == "classification":
        then, now = (decode(outputs, schema)["prediction"] for outputs in (live, loaded))
        report["class_changes"] = int((then != now).sum())
    model_bytes = sum(path.stat().st_size for path in paths.MODEL.iterdir())
    write_json(
        paths.PARITY,
        {
            "keras": report | {"bytes": model_bytes},
            "digests": {
                "weights": summary["weights"]["digest"],
                "predictions": digest_array(loaded),
                "model": digest_tree(paths.MODEL),
            },
        },
    )
    say(
        f"export: {paths.MODEL} ({size(model_bytes)}); a fresh process predicts the {len(live)} "
        "test rows bit for bit like the live model"
    )
    return timings
