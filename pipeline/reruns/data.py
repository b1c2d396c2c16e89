"""A run's prepared data: found by its digest, or made again from the run's params."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.console import say
from pipeline.digests import digest_arrays, digest_json
from pipeline.errors import DataError, MissingError
from pipeline.files import read_json
from pipeline.reruns.evidence import Evidence


@contextlib.contextmanager
def prepared_of(evidence: Evidence) -> Iterator[Path]:
    """Find or make a folder with a run's `prepared/`.

    Raises MissingError where this folder has neither it nor the data that it was made of.
    """
    here, params = Path.cwd(), evidence.settings
    with contextlib.suppress(MissingError, OSError):
        schema, arrays = read_prepared(here)
        if digest_json([digest_arrays(arrays), digest_json(schema)]) == evidence.search["digests"]["data"]:
            yield here
            return
    from pipeline.prepare.stage import run as prepare

    find_data(evidence)
    say("prepared/ is another run's; preparing the run's own data again")
    data = params.data.model_copy(update={"path": str(Path(params.data.path).resolve())})
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            prepare(params.model_copy(update={"data": data}))
        except DataError as error:
            raise MissingError(
                f"the data of {evidence.name} is not here ({error}) Check out the run's commit."
            ) from error
        finally:
            os.chdir(here)
        yield Path(scratch)


def find_data(evidence: Evidence) -> None:
    """Ask `dvc pull` for a run's data where it is not here. Raises MissingError where that fails."""
    path = evidence.settings.data.path
    if Path(path).exists():
        return
    say(f"{path} is not here; trying `dvc pull`")
    subprocess.run([sys.executable, "-m", "dvc", "pull", path], check=False)
    if not Path(path).exists():
        raise MissingError(
            f"the data of {evidence.name}, {path}, is not here and `dvc pull` did not bring it. Put it there."
        )


def read_prepared(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read schema and arrays. Raises MissingError where they are not there."""
    schema = read_json(folder / paths.SCHEMA, made_by="prepare")
    with np.load(folder / paths.ARRAYS, allow_pickle=False) as archive:
        return schema, {name: archive[name] for name in archive.files}
