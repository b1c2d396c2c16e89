"""`verify`: a run's search again, with no journal, in processes of its own; does it come out the same?"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import overrides, paths
from pipeline.console import duration, say
from pipeline.determinism import derive_seed
from pipeline.errors import MissingError, SearchError
from pipeline.files import read_json
from pipeline.reruns.compare import Comparison, compare
from pipeline.reruns.data import prepared_of
from pipeline.reruns.diagnose import diagnose
from pipeline.reruns.evidence import Evidence
from pipeline.search.workers import WORKERS_VARIABLE
from pipeline.tracking.server import tracking_uri

# What a search is responsible for; everything before it is taken over from the run.
_LINKS = ("code", "environment", "proposals", "trials", "weights", "predictions")


@dataclass(frozen=True)
class Check:
    """One time that a search, or some of its trials, were run again."""

    what: str
    same: bool
    seconds: float
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verification:
    """All checks of one run."""

    run: str
    checks: list[Check]

    @property
    def same(self) -> bool:
        """Whether every check came out as recorded."""
        return all(check.same for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Give verdict, evidence and durations as plain values."""
        return {"verdict": self.verdict, **asdict(self)}

    @property
    def verdict(self) -> str:
        """One word for people and for the run's tag."""
        return "verified" if self.same else "different"


def verify(evidence: Evidence, n_trials: int | None, workers: list[int], *, fresh_env: bool) -> Verification:
    """Run a search again for each number of workers, or some of its trials, and compare the digests.

    Raises MissingError where the run's data or lock is not to be had, SearchError where a search fails.
    """
    checks = []
    with tempfile.TemporaryDirectory(prefix="encore-verify-") as scratch:
        python = _fresh_environment(evidence, Path(scratch)) if fresh_env else Path(sys.executable)
        for count in workers:
            project = Path(scratch, f"workers-{count}")
            _lay_out(evidence, project)
            started = time.monotonic()
            if n_trials is None:
                what = f"the whole search, {count} worker{'s' if count > 1 else ''}"
                say(f"verify: {what}")
                _again(python, project, [], count)
                differences = _differences(evidence, project)
            else:
                numbers = _choose(evidence, n_trials)
                what = f"trials {', '.join(map(str, numbers))}"
                say(f"verify: {what}")
                _again(python, project, [str(number) for number in numbers], count)
                differences = _trial_differences(
                    evidence, read_json(project / "again.json", made_by="verify")
                )
            what += ", in a new environment" if fresh_env else ""
            seconds = time.monotonic() - started
            checks.append(Check(what, not differences, seconds, differences))
            say(f"verify: {what}: {'the same' if not differences else 'DIFFERENT'}, {duration(seconds)}")
    return Verification(evidence.name, checks)


def _lay_out(evidence: Evidence, project: Path) -> None:
    """Lay out what the search reads: the run's params and prepared data, and no journal."""
    project.mkdir()
    shutil.copyfile(evidence.folder / paths.PARAMS, project / paths.PARAMS)
    if weights := evidence.settings.search.pretrained:
        overrides.apply(None, {"search.pretrained": str(Path(weights).resolve())}, project / paths.PARAMS)
    (project / paths.TRIALS).parent.mkdir()
    shutil.copyfile(evidence.folder / paths.TRIALS, project / paths.TRIALS)
    with prepared_of(evidence) as folder:
        shutil.copytree(folder / paths.PREPARED, project / paths.PREPARED)


def _again(python: Path, project: Path, numbers: list[str], count: int) -> None:
    # A warm start is read from where this process would read it.
    environment = os.environ | {
        "PYTHONPATH": str(Path.cwd()),
        "MLFLOW_TRACKING_URI": tracking_uri(),
        WORKERS_VARIABLE: str(count),
    }
    command = [str(python), "-m", "pipeline.reruns.again", *numbers]
    result = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SearchError(f"the search could not be run again:\n{result.stderr[-2000:]}")


def _differences(evidence: Evidence, project: Path) -> list[str]:
    again = Evidence("again", project)
    links = {name: evidence.chain[name] == again.chain[name] for name in _LINKS}
    found = compare(evidence, again)
    kept = {name: lines for name, lines in found.differences.items() if name in _LINKS}
    complete = {name: True for name in found.links} | links
    comparison = Comparison(found.a, found.b, complete, kept)
    lines = [f"{name}: {line}" for name, several in kept.items() for line in several]
    lines += [f"{name} differ" for name, same in links.items() if not same and name not in kept]
    causes = diagnose(evidence, again, comparison)
    return lines + [f"because: {cause.what} ({cause.evidence})" for cause in causes]


def _choose(evidence: Evidence, n_trials: int) -> list[int]:
    """Choose trials by the run's own seed: the same ones whoever verifies it."""
    completed = [trial["number"] for trial in evidence.trials if trial["weights"] is not None]
    generator = np.random.default_rng(derive_seed(evidence.settings.seed, "verify"))
    chosen = generator.choice(completed, min(n_trials, len(completed)), replace=False)
    return sorted(int(number) for number in chosen)


def _trial_differences(evidence: Evidence, again: dict[str, str]) -> list[str]:
    recorded = {
        str(trial["number"]): trial["weights"]["digest"] for trial in evidence.trials if trial["weights"]
    }
    return [
        f"trial {number}: weights {recorded[number]} → {digest}"
        for number, digest in again.items()
        if recorded[number] != digest
    ]


def _fresh_environment(evidence: Evidence, scratch: Path) -> Path:
    """Install the lock that was recorded with the run into a virtual environment of its own."""
    lock = evidence.folder / paths.LOCK
    if not lock.exists():
        raise MissingError(f"{evidence.name} has no {paths.LOCK} recorded; verify it without --fresh-env.")
    say(f"verify: installing the run's {paths.LOCK} into a new environment (some minutes)")
    folder = scratch / "environment"
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
    ):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise MissingError(
                f"the environment of {evidence.name} could not be built:\n{result.stderr[-1000:]}"
            )
    return python
