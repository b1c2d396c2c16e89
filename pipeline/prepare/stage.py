"""The stage `prepare`: read, check, split, fit preprocessing on train, write arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.console import note, say
from pipeline.digests import digest_arrays, digest_file, digest_json
from pipeline.files import fresh_folder, write_json
from pipeline.params import Params
from pipeline.prepare.features import fit_preprocessor, save_preprocessor
from pipeline.prepare.sources import read_table
from pipeline.prepare.split import Rows, split_rows
from pipeline.prepare.validation import check_table
from pipeline.servable import categories, numbers, typed_rows


def run(params: Params) -> None:
    """Turn the user's table into `prepared/`.

    Raises DataError, before anything is written, where the table breaks a rule.
    """
    source = Path(params.data.path)
    raw = read_table(source)
    schema, found = check_table(raw, params)
    for text in found.notes:
        note(f"{source}: {text}")

    target = raw[params.data.target]
    missing = frozenset(params.data.missing)
    if params.data.task == "classification":
        labels = categories(target, missing)
        targets = pd.Categorical(labels, categories=schema["classes"]).codes.astype(np.int64)
    else:
        labels = None
        targets = numbers(target, missing).to_numpy()
    stratify = labels if params.split.stratify else None
    rows = split_rows(stratify, len(raw), params.split, params.seed)
    if labels is None:
        train_targets = targets[rows.train]
        # A network learns a target of mean 0 and spread 1; predictions are scaled back.
        schema["target_mean"] = float(train_targets.mean())
        schema["target_scale"] = float(train_targets.std()) or 1.0
    _write(raw, targets, schema, rows, source)
    say(
        f"prepare: {len(raw)} rows, {len(schema['columns'])} columns; train {len(rows.train)}, "
        f"validation {len(rows.validation)}, test {len(rows.test)}"
    )


def _write(raw: pd.DataFrame, targets: np.ndarray, schema: dict, rows: Rows, source: Path) -> None:
    fresh_folder(paths.PREPARED)
    typed = typed_rows(raw, schema)
    preprocessor = fit_preprocessor(typed.iloc[rows.train], schema)
    save_preprocessor(preprocessor, paths.PREPROCESSOR)
    parts = rows._asdict().items()
    arrays: dict[str, Any] = {}
    for part, chosen in parts:
        features = preprocessor.transform(typed.iloc[chosen])
        arrays[f"x_{part}"] = np.ascontiguousarray(features, dtype=np.float32)
        arrays[f"y_{part}"] = targets[chosen]
    np.savez(paths.ARRAYS, **arrays)
    # Which row went where, and a hash of each: enough to say which rows differ between two runs.
    split: dict[str, Any] = {f"rows_{part}": chosen.astype(np.int64) for part, chosen in parts}
    hashes = pd.util.hash_pandas_object(raw.astype(object), index=False).to_numpy()
    np.savez_compressed(paths.SPLIT, **split, row_hashes=hashes)

    schema["features"] = [str(name) for name in preprocessor.get_feature_names_out()]
    write_json(paths.SCHEMA, schema)
    # The test rows as the user would send them: raw text, before any reading of types.
    test_rows = raw.iloc[rows.test][[column["name"] for column in schema["columns"]]]
    test_rows.to_parquet(paths.TEST_ROWS, index=False)
    write_json(
        paths.PREPARED_DIGESTS,
        {
            "data": digest_file(source),
            "split": digest_arrays(split),
            "arrays": digest_arrays(arrays),
            "preprocessor": digest_file(paths.PREPROCESSOR),
            "schema": digest_json(schema),
            "rows": {part: len(chosen) for part, chosen in parts},
        },
    )
