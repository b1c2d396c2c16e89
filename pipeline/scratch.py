"""The scratch folder .encore: who may use it, and how it stays bounded."""

import contextlib
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import paths
from pipeline.params import Cleanup


@contextlib.contextmanager
def stage_lock(path: Path = paths.STAGE_LOCK) -> Iterator[None]:
    """Hold the project for one stage; wait where another process holds it.

    DVC that was killed leaves its stage running, and the next `dvc repro` starts a second
    one beside it. The kernel drops the lock with its process, so a kill leaves none behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            print(
                f"Waiting: {holder} is still working in this project (an earlier execution that "
                "was interrupted?). Its work will be used; stop it to go on at once.",
                file=sys.stderr,
            )
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        stream.truncate()
        stream.write(f"process {os.getpid()}")
        stream.flush()
        yield


@dataclass(frozen=True)
class Freed:
    """What a clean-up removed."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(self.files + other.files, self.bytes + other.bytes)


def prune(keep: Cleanup) -> Freed:
    """Remove what retention no longer covers: tuner folders, old journals, old executions.

    Run by the search stage as well as by cleanup, so that scratch stays bounded even when DVC
    skips the cleanup stage.
    """
    return (
        remove(paths.TUNERS)
        + _keep_newest(paths.JOURNALS, keep.keep_journals)
        + _keep_newest(paths.TENSORBOARD, keep.keep_journals)
        + _keep_newest(paths.EXECUTIONS, keep.keep_executions, only_if="published")
    )


def remove(path: Path) -> Freed:
    """Remove a file or folder and count what went."""
    if not path.exists():
        return Freed()
    files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
    freed = Freed(len(files), sum(item.stat().st_size for item in files))
    if path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path)
    return freed


def _keep_newest(folder: Path, keep: int, only_if: str | None = None) -> Freed:
    """Remove all but the newest sub-folders; with `only_if`, only those that hold that file."""
    if not folder.exists():
        return Freed()
    newest_first = sorted(
        (item for item in folder.iterdir() if item.is_dir()),
        key=lambda item: item.stat().st_mtime_ns,
        reverse=True,
    )
    freed = Freed()
    for item in newest_first[keep:]:
        if only_if is None or (item / only_if).exists():
            freed += remove(item)
    return freed
