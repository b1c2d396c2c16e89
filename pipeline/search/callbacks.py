"""What looks at a trial while it trains: the weights of the best epoch, memory, TensorBoard."""

import keras
import numpy as np
import psutil

from pipeline.params import Search


class TooMuchMemoryError(Exception):
    """A process larger than params allow."""


class MemoryLimit(keras.callbacks.Callback):
    """Fail a trial whose process has grown beyond a limit, in MB, by the end of an epoch."""

    def __init__(self, limit_mb: int) -> None:
        super().__init__()
        self.limit_mb = limit_mb

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Raise TooMuchMemoryError above the limit."""
        used_mb = psutil.Process().memory_info().rss // 1_000_000
        if used_mb > self.limit_mb:
            raise TooMuchMemoryError(f"search.max_memory_mb allows {self.limit_mb} MB, but got {used_mb}")


class BestWeights(keras.callbacks.Callback):
    """Keep the weights of the best epoch in memory: no checkpoint files during a trial."""

    def __init__(self, objective: str, direction: str) -> None:
        super().__init__()
        self.objective = objective
        self.sign = 1.0 if direction == "max" else -1.0
        self.epoch: int | None = None
        self.value = -np.inf
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep this epoch's weights where it beats all before; stop where nothing is left to learn."""
        value = self.sign * (logs or {})[self.objective]
        if value > self.value:
            self.epoch, self.value = epoch, value
            self.weights = [np.array(weight) for weight in self.model.get_weights()]
        if not np.isfinite((logs or {})["loss"]):
            self.model.stop_training = True


def watchers(settings: Search, logs: str | None) -> list[keras.callbacks.Callback]:
    """Give the callbacks that look at a trial and change nothing in it."""
    found = []
    if settings.max_memory_mb:
        found.append(MemoryLimit(settings.max_memory_mb))
    if logs:
        found.append(keras.callbacks.TensorBoard(logs, write_graph=False))
    return found
