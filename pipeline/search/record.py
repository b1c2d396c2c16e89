"""What a finished trial leaves behind."""

import time
import traceback
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Failure(BaseModel):
    """Why a trial has no result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    message: str
    traceback: str


class TrialRecord(BaseModel):
    """All that a finished trial leaves behind, except its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    # As proposed, and with the values that appeared while the network was built.
    proposal: dict[str, Any]
    hyperparameters: dict[str, Any]
    # Search space entries, as KerasTuner configures them, that this trial brought up.
    discovered: list[dict[str, Any]]
    status: Literal["COMPLETED", "FAILED"]
    # Metrics of each epoch by name, and the epoch (from 0) whose weights count.
    epochs: list[dict[str, float]] = []
    best_epoch: int | None = None
    score: float | None = None
    n_weights: int | None = None
    weights: dict[str, Any] | None = None
    effective_batch_size: int
    error: Failure | None = None
    # Wall clock: for people and MLflow, never part of a digest.
    started: float
    seconds: float

    def outcome(self) -> dict[str, Any]:
        """Give what must be equal in two runs of the same trial: no clock, no stack of a machine."""
        result = self.model_dump(exclude={"started", "seconds", "discovered", "error"})
        error = self.error
        result["error"] = error and {"type": error.type, "message": error.message}
        return result


def failed_record(number: int, config: dict[str, Any], error: BaseException) -> TrialRecord:
    """Make the record of a trial that could not even report its failure."""
    return TrialRecord(
        number=number,
        proposal=config["values"],
        hyperparameters=config["values"],
        discovered=[],
        status="FAILED",
        effective_batch_size=0,
        error=failure(error),
        started=time.time(),
        seconds=0.0,
    )


def failure(error: BaseException) -> Failure:
    """Keep an error's type, first line and traceback."""
    lines = str(error).strip().splitlines() or [""]
    return Failure(
        type=type(error).__name__, message=lines[0], traceback="".join(traceback.format_exception(error))
    )
