"""What a person sees of a search: trial n of N, its score, the best so far, the time left."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.console import duration
from pipeline.params import Search
from pipeline.search.record import TrialRecord


class SearchProgress:
    """One line for each ended trial, and on a terminal a bar below them."""

    def __init__(self, settings: Search) -> None:
        self._settings = settings
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("[bold]search"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("search", total=settings.max_trials, left="")
        self._best: TrialRecord | None = None
        self._started = time.monotonic()
        self._n_run = 0
        self._n_replayed = 0

    def __enter__(self) -> "SearchProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._bar.stop()
        if kind in {KeyboardInterrupt, SystemExit}:
            self._console.print(
                f"search: interrupted after {self._n_run + self._n_replayed} of "
                f"{self._settings.max_trials} trials; they are kept. Run `dvc repro` to go on."
            )

    def on_end(self, record: TrialRecord, replayed: bool) -> None:
        """Show an ended trial."""
        self._n_replayed += replayed
        self._n_run += not replayed
        left = self._time_left(record.number)
        self._console.print(f"{self._line(record, replayed)}{left and f' · {left}'}")
        self._bar.update(self._task, advance=1, left=left)

    def _line(self, record: TrialRecord, replayed: bool) -> str:
        name = f"trial {record.number + 1:>3} of {self._settings.max_trials}"
        if record.score is None:
            error = record.error
            text = f"{name}  FAILED {error.type}: {error.message}" if error else f"{name}  FAILED"
        else:
            if self._is_better(record.score):
                self._best = record
            text = f"{name}  {self._settings.objective} {record.score:.5f}"
        if self._best and self._best.score is not None:
            text += f" · best {self._best.score:.5f} (trial {self._best.number + 1})"
        took = "from the journal" if replayed else duration(record.seconds)
        return f"{text} · {took}"

    def _is_better(self, score: float) -> bool:
        if self._best is None or self._best.score is None:
            return True
        if self._settings.direction == "max":
            return score > self._best.score
        return score < self._best.score

    def _time_left(self, number: int) -> str:
        remaining = self._settings.max_trials - number - 1
        if not self._n_run or not remaining:
            return ""
        per_trial = (time.monotonic() - self._started) / self._n_run
        return f"about {duration(per_trial * remaining)} left"
