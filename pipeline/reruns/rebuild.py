"""`rebuild`: one trial of an earlier run as a model, proved by the digest of its weights."""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import paths
from pipeline.console import say, warn
from pipeline.errors import MissingError, SearchError
from pipeline.files import fresh_folder, write_json
from pipeline.reruns.data import prepared_of, read_prepared
from pipeline.reruns.evidence import Evidence


def rebuild(evidence: Evidence, number: int, *, anyway: bool) -> Path:
    """Train trial `number` of a run again and write it as a servable model; give its folder.

    The prepared data is taken from `prepared/` where it is the run's, and made again from the run's
    params otherwise. Raises MissingError where the run has no such trial, and SearchError where data,
    environment, code or, in the end, weights are not the recorded ones; `anyway` makes that a warning.
    """
    from pipeline.export.bundle import write_bundle
    from pipeline.search.outputs import save_network
    from pipeline.search.rebuild import present_inputs, rebuild_trial

    outcome = _outcome(evidence, number)
    params = evidence.settings
    with prepared_of(evidence) as folder:
        schema, arrays = read_prepared(folder)
        recorded = evidence.search["digests"]
        present = present_inputs(params, schema, arrays)
        differing = [name for name, digest in present.items() if digest != recorded[name]]
        if differing:
            _refuse(
                f"{evidence.name}: trial {number} can only be rebuilt where data, environment and code are "
                f"those of the run, but {' and '.join(differing)} differ"
                f"{'s' if len(differing) == 1 else ''}. `python -m pipeline compare` says how.",
                anyway=anyway,
            )
        model, digest = rebuild_trial(params, schema, arrays, outcome)
        proved = digest == outcome["weights"]["digest"]
        if not proved:
            _refuse(
                f"{evidence.name}: trial {number} must have the weights digest "
                f"{outcome['weights']['digest']}, but got {digest}.",
                anyway=anyway,
            )
        target = paths.REBUILT / f"{evidence.short_name}-trial-{number:03d}"
        fresh_folder(target)
        fresh_folder(target / "model")
        save_network(model, target / "model" / paths.NETWORK.name)
        rows = pd.read_parquet(folder / paths.TEST_ROWS)
        write_bundle(target / "model", folder / paths.PREPROCESSOR, schema, rows, params)
    write_json(
        target / "rebuilt.json",
        {"run": evidence.name, "trial": number, "weights": digest, "proved": proved, "differing": differing},
    )
    say(f"rebuild: {target / 'model'}, {'proved: ' if proved else 'NOT proved: '}weights digest {digest}")
    return target


def _outcome(evidence: Evidence, number: int) -> dict[str, Any]:
    trials = {trial["number"]: trial for trial in evidence.trials}
    if number not in trials:
        raise MissingError(
            f"--trial must be one of 0 to {max(trials)}, the trials of {evidence.name}, but got {number}."
        )
    if trials[number]["weights"] is None:
        raise MissingError(f"trial {number} of {evidence.name} failed: there are no weights to rebuild.")
    return trials[number]


def _refuse(problem: str, *, anyway: bool) -> None:
    if not anyway:
        raise SearchError(f"{problem} Add --anyway to go on, with the result marked.")
    warn(problem)
