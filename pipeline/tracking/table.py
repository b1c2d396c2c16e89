"""The table of all trials that a parent run holds."""

from typing import Any

TRIAL_COLUMNS = ["trial", "status", "score", "best_epoch", "n_weights", "seconds", "weights_digest"]


def trials_table(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Lay out all trials as the table that MLflow's UI shows for `log_table`."""
    names = sorted({name for trial in trials for name in trial["hyperparameters"]})
    rows = [
        [
            trial["number"], trial["status"], trial["score"], trial["best_epoch"],
            trial["n_weights"], trial["seconds"], (trial["weights"] or {}).get("digest"),
            *(trial["hyperparameters"].get(name) for name in names),
        ]
        for trial in trials
    ]  # fmt: skip
    return {"columns": TRIAL_COLUMNS + names, "data": rows}
