"""The journal: one small file a finished trial, in a folder named by all that may change a trial."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline import paths
from pipeline.console import warn
from pipeline.digests import digest_code, digest_json, digest_tree
from pipeline.errors import ReplayError, SearchError
from pipeline.files import write_json, write_whole
from pipeline.params import Params
from pipeline.search.record import TrialRecord

# Settings that decide how many trials there are or what follows them, never what one is.
_NOT_OF_A_TRIAL = {
    "max_trials", "max_minutes", "patience_trials", "max_consecutive_failures", "min_successful_trials",
    "refit", "tensorboard", "warm_start", "warm_start_top", "pretrained",
}  # fmt: skip
_HERE = Path(__file__).parent
# The code whose syntax is part of every trial.
TRAINING_CODE = [
    *(
        _HERE / f"{name}.py"
        for name in (
            "task",
            "space",
            "study",
            "normalisation",
            "trial",
            "training",
            "callbacks",
            "proposals",
            "schedule",
        )
    ),
    _HERE.parent / "determinism.py",
]


def journal_inputs(
    params: Params, prepared_digest: str, environment: dict[str, Any], warm_start: list[dict[str, Any]]
) -> dict[str, str]:
    """Digest all that may change a trial, kind by kind."""
    settings = params.search
    recipe = {
        "seed": params.seed,
        "search": settings.model_dump(exclude=_NOT_OF_A_TRIAL),
        "warm_start": warm_start,
        # The weights' bytes count, wherever they are.
        "pretrained": settings.pretrained and digest_tree(Path(settings.pretrained)),
    }
    return {
        "data": prepared_digest,
        "recipe": digest_json(recipe),
        "environment": digest_json(environment),
        "code": digest_code(TRAINING_CODE),
    }


class Journal:
    """The finished trials of one search.

    A record is written whole and synced before the search goes on, so that a kill at any moment
    loses at most the trials in flight.
    """

    def __init__(self, inputs: dict[str, str], keep_checkpoints: int) -> None:
        self.folder = paths.JOURNALS / digest_json(inputs)[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._keep_checkpoints = keep_checkpoints
        write_json(self.folder / "inputs.json", inputs)

    def read(self, number: int, proposal: dict[str, Any]) -> TrialRecord | None:
        """Read the record of a trial, or None where it has still to be run.

        A damaged or foreign record is set aside with a warning. Raises ReplayError where the
        record holds another proposal than the search makes now.
        """
        path = self._path(number)
        try:
            record = TrialRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError) as error:
            reason = str(error).splitlines()[0]
        else:
            if record.number == number:
                _compare(record, proposal, path)
                return record
            reason = f"it is the record of trial {record.number}"
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        warn(f"{path} is not a sound record ({reason}); set aside as {aside.name}, trial {number} runs again")
        return None

    def write(self, record: TrialRecord) -> None:
        """Add a finished trial. Raises SearchError where the disk does not take it."""
        try:
            write_json(self._path(record.number), record.model_dump())
        except OSError as error:
            raise SearchError(
                f"{self._path(record.number)} cannot be written ({error.strerror}). The trials before "
                "it are kept: make room, then run `dvc repro` to go on."
            ) from error

    def read_reached(self, max_minutes: float | None) -> int | None:
        """Read how many trials a search with this budget reached, or None where none was cut."""
        path = self.folder / "reached.json"
        reached = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return reached.get(str(max_minutes))

    def write_reached(self, max_minutes: float | None, n_trials: int) -> None:
        """Record that a budget was spent after so many trials, so that a rerun has as many."""
        path = self.folder / "reached.json"
        reached = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        write_json(path, reached | {str(max_minutes): n_trials})

    def write_checkpoint(self, number: int, weights: list[np.ndarray], best: list[int]) -> None:
        """Keep a trial's weights where it is among the best; drop the others'.

        `best` are the numbers of all ended trials, best first.
        """
        kept = {self._checkpoint(n) for n in best[: self._keep_checkpoints]}
        path = self._checkpoint(number)
        if path in kept and weights:
            buffer = io.BytesIO()
            np.savez(buffer, *weights)
            try:
                write_whole(path, buffer.getvalue())
            except OSError as error:
                # Weights can be rebuilt from the record: a full disk costs time, not the search.
                warn(f"{path} cannot be written ({error.strerror}); trial {number} would be run again")
        for other in set(self.folder.glob("trial-*.npz")) - kept:
            other.unlink()

    def read_checkpoint(self, number: int) -> list[np.ndarray] | None:
        """Read a trial's weights, or None where they were not kept."""
        path = self._checkpoint(number)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as archive:
            return [archive[name] for name in archive.files]

    def _path(self, number: int) -> Path:
        return self.folder / f"trial-{number:05d}.json"

    def _checkpoint(self, number: int) -> Path:
        return self.folder / f"trial-{number:05d}.npz"


def _compare(record: TrialRecord, proposal: dict[str, Any], path: Path) -> None:
    names = [*proposal, *(name for name in record.proposal if name not in proposal)]
    for name in names:
        then, now = record.proposal.get(name), proposal.get(name)
        if then != now:
            raise ReplayError(
                f"{path}: trial {record.number} was recorded with {name} = {then!r}, but the same "
                f"search now proposes {now!r}. Something outside the recorded inputs has changed; "
                f"move {path.parent} away to search anew, and keep it as evidence."
            )
