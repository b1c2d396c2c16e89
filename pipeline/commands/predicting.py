"""Using exported models: predictions for a file, the address to serve, the champion in the registry."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.console import duration, say
from pipeline.errors import DataError, MissingError

if TYPE_CHECKING:
    import pandas as pd

_SECONDS = 5.0


def predict(source: Path, target: Path, model: Path) -> int:
    """Predict a file of raw rows, a chunk at a time; the output appears when it is whole."""
    chunks = _chunks(source)
    if not (model / "manifest.json").exists():
        raise MissingError(f"{model} holds no model. Run `make repro`, or name a model's folder by --model.")
    from pipeline import servable

    loaded = servable.load(model)
    partial = target.with_name(f".{target.name}.partial")
    started = said = time.monotonic()
    seen = 0
    try:
        for chunk in chunks:
            if loaded.schema["kind"] == "image":
                chunk = _from_folder(chunk, loaded.schema["columns"][0]["name"], source.parent)
            try:
                predicted = loaded.predict(chunk)
            except servable.RowsError as error:
                raise DataError(f"{source}: {error} (rows count from 0). Nothing was written.") from error
            predicted.to_csv(partial, mode="a" if seen else "w", header=not seen, index=False)
            seen += len(chunk)
            if time.monotonic() - said >= _SECONDS:
                said = time.monotonic()
                say(f"predict: {seen:,} rows, {seen / (said - started):,.0f} a second")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    say(f"predict: {seen:,} rows in {duration(time.monotonic() - started)}, written to {target}")
    return 0


def model_uri(run: str) -> int:
    """Print the address of a run's model, as `mlflow models serve -m` takes it."""
    from pipeline.tracking.registry import find_model

    say(find_model(run))
    return 0


def promote(run: str, *, anyway: bool) -> int:
    """Make a run's registered model the champion, where it is no worse than the present one."""
    from pipeline.tracking import registry

    say(registry.promote(run, anyway=anyway))
    return 0


def _chunks(source: Path) -> Iterator["pd.DataFrame"]:
    if not source.is_file():
        raise MissingError(f"{source} must be a .csv, .tsv or .parquet file, but there is none.")
    from pipeline.prepare.sources.delimited import DELIMITERS, Delimited
    from pipeline.prepare.sources.parquet import Parquet

    suffix = source.suffix.lower()
    if suffix in DELIMITERS:
        return Delimited(source).chunks()
    if suffix == ".parquet":
        return Parquet(source).chunks()
    raise DataError(f"{source} must be a .csv, .tsv or .parquet file, but ends in {suffix!r}.")


def _from_folder(rows: "pd.DataFrame", column: str, folder: Path) -> "pd.DataFrame":
    """Read images' paths as the table has them, from its own folder; bytes stay as they are."""
    if column not in rows.columns:
        return rows
    cells = rows[column].map(lambda cell: str(folder / cell) if isinstance(cell, str) else cell)
    return rows.assign(**{column: cells})
