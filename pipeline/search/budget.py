"""When a search stops proposing: enough trials, enough time, or too long without a better one."""

import time

from pipeline.params import Search
from pipeline.search.journal import Journal
from pipeline.search.record import TrialRecord


class Budget:
    """Decides before every proposal whether there is to be another one.

    Only the time limit depends on the machine; where it cut a search, the journal knows the number
    of trials, and a rerun has exactly as many whatever time it takes.
    """

    def __init__(self, settings: Search, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._reached = journal.read_reached(settings.max_minutes) if settings.max_minutes else None
        self._started = time.monotonic()
        self._replayed_seconds = 0.0
        self.cut: str | None = None

    def count_replayed(self, seconds: float) -> None:
        """Count the time that a replayed trial took when it was run."""
        self._replayed_seconds += seconds

    def allows(self, number: int, ended: list[TrialRecord]) -> bool:
        """Tell whether trial `number` may be proposed, now that these have ended."""
        if number >= self._settings.max_trials:
            return False
        if self._reached is not None and number >= self._reached:
            # In the words of the run that was cut: the outputs are the same bytes.
            self.cut = f"search.max_minutes = {self._settings.max_minutes}"
        elif self._is_stale(ended):
            self.cut = f"search.patience_trials = {self._settings.patience_trials}"
        elif self._reached is None and self._is_spent() and number > 0:
            self._journal.write_reached(self._settings.max_minutes, number)
            self.cut = f"search.max_minutes = {self._settings.max_minutes}"
        return self.cut is None

    def _is_spent(self) -> bool:
        limit = self._settings.max_minutes
        spent = time.monotonic() - self._started + self._replayed_seconds
        return limit is not None and spent > 60 * limit

    def _is_stale(self, ended: list[TrialRecord]) -> bool:
        if self._settings.patience_trials is None:
            return False
        sign = -1 if self._settings.direction == "max" else 1
        scored = [
            (sign * record.score, place) for place, record in enumerate(ended) if record.score is not None
        ]
        return bool(scored) and len(ended) - 1 - min(scored)[1] >= self._settings.patience_trials
