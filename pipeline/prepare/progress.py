"""What a person sees of a long reading: rows, share and time left, a line every few seconds."""

import time
from collections.abc import Iterator

import pandas as pd

from pipeline.console import duration, say
from pipeline.prepare.sources.opening import Joined

_SECONDS = 5.0


class Watched(Joined):
    """A dataset that says how far it has been read; the first pass does not know how far it is."""

    def __init__(self, dataset: Joined) -> None:
        super().__init__(dataset.sources, dataset.names)
        self._passes = 0
        self._n_rows: int | None = None

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Read all rows, now and then saying how many there were."""
        self._passes += 1
        started = said = time.monotonic()
        seen = 0
        for chunk in super().chunks():
            yield chunk
            seen += len(chunk)
            now = time.monotonic()
            if now - said >= _SECONDS:
                said = now
                say(f"prepare: {seen:,} rows read, pass {self._passes}{self._left(seen, now - started)}")
        self._n_rows = seen

    def _left(self, seen: int, seconds: float) -> str:
        if not self._n_rows:
            return ""
        left = seconds / seen * (self._n_rows - seen)
        return f" ({seen / self._n_rows:.0%}, about {duration(left)} left)"
