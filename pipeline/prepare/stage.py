"""The stage `prepare`: look, check, split, fit preprocessing on train, write arrays.

The user's data is read three times, a chunk at a time: to look at it, to fit on the training rows,
and to fill the arrays. Nothing of it but the arrays is ever held whole.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import paths
from pipeline.console import note, say
from pipeline.digests import digest_arrays, digest_file, digest_json
from pipeline.files import fresh_folder, write_json, write_whole
from pipeline.params import Params
from pipeline.prepare.features import feature_names, fit_features, save_preprocessor
from pipeline.prepare.look import Look, look_at
from pipeline.prepare.progress import Watched
from pipeline.prepare.report import as_markdown, data_report
from pipeline.prepare.sources.opening import Joined, digest_dataset, open_dataset
from pipeline.prepare.split import Rows, divide
from pipeline.prepare.validation import check
from pipeline.servable.features import Features


def run(params: Params) -> None:
    """Turn the user's data into `prepared/`.

    Raises DataError, before anything is written, where the data breaks a rule.
    """
    source = Watched(open_dataset(params.data))
    look = look_at(source, params)
    schema, found = check(look, params, source.place)
    rows = divide(look, params)
    targets = _targets(look, schema, rows)
    row_hashes = np.concatenate(look.row_hashes)
    report = data_report(look, schema, rows, targets, found)
    for text in report["notes"]:
        note(f"{params.data.path}: {text}")
    features, preprocessor = fit_features(source, schema, rows.train, params)

    fresh_folder(paths.PREPARED)
    arrays = _write_arrays(source, features, rows, targets)
    if preprocessor is not None:
        save_preprocessor(preprocessor, paths.PREPROCESSOR)
        schema["features"] = feature_names(preprocessor)
    # Which row went where, and a hash of each: enough to say which rows differ between two runs.
    split: dict[str, Any] = {f"rows_{part}": chosen.astype(np.int64) for part, chosen in _parts(rows)}
    np.savez_compressed(paths.SPLIT, **split, row_hashes=row_hashes)
    write_json(paths.SCHEMA, schema)
    write_json(paths.DATA_REPORT, report)
    write_whole(paths.DATA_REPORT_TEXT, as_markdown(report).encode())
    write_json(
        paths.PREPARED_DIGESTS,
        {
            "data": digest_dataset(params.data),
            "split": digest_arrays(split),
            "arrays": digest_arrays(arrays),
            "preprocessor": digest_file(paths.PREPROCESSOR) if preprocessor else digest_json(schema),
            "schema": digest_json(schema),
            "rows": {part: len(chosen) for part, chosen in _parts(rows)},
        },
    )
    counts = ", ".join(f"{part} {len(chosen)}" for part, chosen in _parts(rows))
    sampled = "" if params.data.sample is None else f" (a sample of {params.data.sample:g})"
    say(f"prepare: {look.n_rows} rows{sampled}, {_shape(arrays['x_train'])}; {counts}")


def _parts(rows: Rows) -> list[tuple[str, np.ndarray]]:
    return list(rows._asdict().items())


def _shape(x: np.ndarray) -> str:
    sizes = " × ".join(str(size) for size in x.shape[1:])
    return (
        {2: f"{sizes} features", 4: f"images of {sizes}"}[x.ndim]
        if x.dtype != np.int32
        else f"{sizes} tokens"
    )


def _targets(look: Look, schema: dict[str, Any], rows: Rows) -> np.ndarray:
    """Give every row's class number (int64, in the order of the schema's classes) or value (float64)."""
    labels = np.concatenate(look.labels)
    if schema["task"] == "classification":
        order = {name: code for code, name in enumerate(schema["classes"])}
        return np.array([order[name] for name in look.classes], np.int64)[labels]
    # A network learns a target of mean 0 and spread 1; predictions are scaled back.
    schema["target_mean"] = float(labels[rows.train].mean())
    schema["target_scale"] = float(labels[rows.train].std()) or 1.0
    return labels


def _write_arrays(
    source: Joined, features: Features, rows: Rows, targets: np.ndarray
) -> dict[str, np.ndarray]:
    """Fill the arrays, and keep the test rows as the user would send them: raw cells."""
    names = [column["name"] for column in features.schema["columns"]]
    arrays: dict[str, np.ndarray] = {}
    writer: pq.ParquetWriter | None = None
    for chunk in source.chunks():
        numbers = chunk.index.to_numpy()
        for part, chosen in _parts(rows):
            low, high = np.searchsorted(chosen, (numbers[0], numbers[-1] + 1))
            if low == high:
                continue
            mine = chunk.loc[chosen[low:high]]
            x = features.transform(mine)
            if f"x_{part}" not in arrays:
                arrays[f"x_{part}"] = np.empty((len(chosen), *x.shape[1:]), x.dtype)
            arrays[f"x_{part}"][low:high] = x
            if part == "test":
                table = pa.Table.from_pandas(mine[names], preserve_index=False)
                writer = writer or pq.ParquetWriter(paths.TEST_ROWS, table.schema)
                writer.write_table(table.cast(writer.schema))
    if writer:
        writer.close()
    for part, chosen in _parts(rows):
        arrays[f"y_{part}"] = targets[chosen]
    np.savez(paths.ARRAYS, **arrays)  # type: ignore[arg-type]
    return arrays
