"""`reproduce`: from a run's id and a clone to the same code, params and data; then run and compare."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.console import say, warn
from pipeline.environment import numeric_environment
from pipeline.errors import MissingError, ReproduceError
from pipeline.reruns.compare import changes
from pipeline.reruns.data import find_data
from pipeline.reruns.evidence import Evidence


def reproduce(evidence: Evidence, source: str) -> int:
    """Check out a run's commit with its uncommitted changes, params and data; run it again and compare.

    Returns the exit code of `compare`. Raises ReproduceError, having changed nothing, over local
    changes or where the commit is unknown here; MissingError where the run or its data cannot be had.
    """
    recorded = _recorded_git(evidence)
    _refuse_local_changes()
    _check_out(recorded["commit"])
    _apply(evidence.folder / "git.diff", recorded)
    shutil.copyfile(evidence.folder / paths.PARAMS, paths.PARAMS)
    find_data(evidence)
    _warn_of_environment(evidence)
    # In processes of their own: the code on disk is now the run's, not that of this process.
    code = subprocess.run([sys.executable, "-m", "pipeline", "run"], check=False).returncode
    if code:
        return code
    return subprocess.run([sys.executable, "-m", "pipeline", "compare", source, "."], check=False).returncode


def _recorded_git(evidence: Evidence) -> dict[str, Any]:
    path = evidence.folder / "environment.json"
    recorded = json.loads(path.read_text(encoding="utf-8")).get("git") if path.exists() else None
    if not recorded:
        raise MissingError(
            f"{evidence.name} was not run from a git repository: there is no commit to check out."
        )
    return dict(recorded)


def _refuse_local_changes() -> None:
    changed = _git("status", "--porcelain", "--", ":!dvc.lock").splitlines()
    if changed:
        shown = ", ".join(line[3:] for line in changed[:5])
        raise ReproduceError(
            f"this folder has {len(changed)} local changes ({shown}), which would be lost. "
            "Commit or stash them, or reproduce in a fresh clone."
        )


def _check_out(commit: str) -> None:
    if _git("rev-parse", "HEAD").strip() == commit:
        return
    try:
        _git("checkout", "--quiet", "--detach", commit)
    except ReproduceError as error:
        raise ReproduceError(
            f"commit {commit} is not in this clone ({error}). Run `git fetch --all` first."
        ) from error
    say(f"reproduce: checked out {commit[:12]}")


def _apply(diff: Path, recorded: dict[str, Any]) -> None:
    """Apply what was not committed when the run was made."""
    if diff.exists():
        _git("apply", "--whitespace=nowarn", str(diff.resolve()))
        say("reproduce: applied the changes that were not committed")
    if untracked := recorded.get("untracked"):
        warn(f"files that git did not know were there as well, and are not recorded: {', '.join(untracked)}")


def _warn_of_environment(evidence: Evidence) -> None:
    present = numeric_environment(evidence.settings.determinism)
    for line in changes(evidence.environment, present):
        warn(f"the environment is not the run's: {line}")


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise ReproduceError(f"git {' '.join(arguments[:1])}: {result.stderr.strip()[:500]}")
    return result.stdout
