"""The whole search space of a task, found without the user's data, and as a table for people."""

import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.params import Params
from pipeline.search.space import Entry, Narrowing, list_space
from pipeline.search.task import build_tuner

_ROWS = 8


def outline(params: Params) -> list[Entry]:
    """List every hyperparameter that AutoKeras's networks for this task have, params' narrowing aside."""
    data = params.data
    schema: dict[str, Any] = {
        "kind": data.kind,
        "task": data.task,
        "classes": ["a", "b"],
        "vocabulary": ["a"],
    }
    inputs: dict[str, np.ndarray] = {
        "structured": np.zeros((_ROWS, 2), np.float32),
        "image": np.zeros((_ROWS, *data.image_size, data.channels), np.uint8),
        "text": np.zeros((_ROWS, data.text_length), np.int32),
    }
    x = inputs[data.kind]
    y = (np.arange(_ROWS, dtype=np.float32) % 2).reshape(-1, 1)
    with tempfile.TemporaryDirectory() as scratch:
        _, network = build_tuner(schema, x, y, params.search, params.seed, Path(scratch))
    return list_space(lambda hyperparameters: pickle.loads(network).build(hyperparameters))


def as_table(entries: list[Entry], params: Params) -> str:
    """Set the space out: name, kind, values (those that params leave), condition, default."""
    from rich.console import Console
    from rich.table import Table

    narrowing = Narrowing(params.search)
    table = Table("name", "kind", "values", "searched", "condition", "default", box=None, pad_edge=False)
    for entry in entries:
        wanted = narrowing.values(entry.name)
        left = entry.values if wanted is None else [value for value in entry.values if value in wanted]
        cells = [_list(entry.values), "all" if left == entry.values else _list(left)]
        condition = ", ".join(f"{name} = {_word(value)}" for name, value in entry.condition.items())
        table.add_row(entry.name, entry.kind, *cells, condition, _word(entry.default))
    console = Console(width=250, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _list(values: list[Any]) -> str:
    return ", ".join(map(_word, values))


def _word(value: Any) -> str:
    """Write a value as YAML would."""
    return str(value).lower() if isinstance(value, bool) else str(value)
