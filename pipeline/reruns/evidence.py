"""What a run left behind, read alike from a project's folder and from MLflow."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.digests import digest_json
from pipeline.errors import MissingError
from pipeline.files import read_json
from pipeline.params import Params, check_params, flat, load_yaml
from pipeline.tracking.projection import chain


@dataclass(frozen=True)
class Evidence:
    """One run: its name, and the folder that holds its files in the project's layout."""

    name: str
    folder: Path
    # Its id in MLflow, where it was read from there.
    run_id: str | None = None

    @cached_property
    def chain(self) -> dict[str, str]:
        """The digests from cause to effect, metrics last where the run has them."""
        links = chain(self.params, self.search, self.prepared)
        if self.metrics:
            links["metrics"] = digest_json(self.metrics)
        return links

    @property
    def short_name(self) -> str:
        """A name for files: without the run's id, or the folder's last part."""
        return Path(self.name).resolve().name if Path(self.name).is_dir() else self.name.partition(" ")[0]

    @cached_property
    def settings(self) -> Params:
        """The params."""
        path = self.folder / paths.PARAMS
        return check_params(load_yaml(path.read_text(encoding="utf-8")), path)

    @property
    def params(self) -> dict[str, Any]:
        """The params by dotted keys."""
        return flat(self.settings)

    @cached_property
    def prepared(self) -> dict[str, Any]:
        """The digests of data, split and arrays."""
        return dict(read_json(self.folder / paths.PREPARED_DIGESTS, made_by="prepare"))

    @cached_property
    def split(self) -> dict[str, np.ndarray]:
        """Row numbers of each part (int64) and a hash of every row of the raw table (uint64)."""
        with np.load(self.folder / paths.SPLIT, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    @cached_property
    def search(self) -> dict[str, Any]:
        """The summary of the search."""
        return dict(read_json(self.folder / paths.SEARCH_SUMMARY, made_by="search"))

    @cached_property
    def trials(self) -> list[dict[str, Any]]:
        """The outcomes of all trials."""
        return list(read_json(self.folder / paths.TRIALS, made_by="search"))

    @cached_property
    def environment(self) -> dict[str, Any]:
        """The numeric environment."""
        return dict(read_json(self.folder / paths.NUMERIC_ENVIRONMENT, made_by="search"))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The test metrics, or nothing where the run was not evaluated."""
        path = self.folder / paths.METRICS
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def read_evidence(source: str, scratch: Path) -> Evidence:
    """Read a run: a folder of outputs, an MLflow run's id or name, or `latest`.

    Files of an MLflow run are fetched into `scratch`. Raises MissingError where there is no such run.
    """
    folder = Path(source)
    if folder.is_dir():
        if not (folder / paths.SEARCH_SUMMARY).exists():
            raise MissingError(f"{folder} holds no finished search ({paths.SEARCH_SUMMARY} is missing).")
        return Evidence(source, folder)
    from pipeline.tracking import runs

    name, fetched = runs.fetch(source, scratch)
    return Evidence(name, fetched, fetched.name)
