"""From raw rows to predictions, standing alone: exported with every model as its only code.

It imports nothing of the pipeline, so that a model folder can be used without it:

    import sys; sys.path.insert(0, "exported/model")
    import servable
    servable.load("exported/model").predict(rows)

`prepare` turns the training rows into arrays with the same code, so training and serving cannot drift.
"""

from .model import (
    MANIFEST,
    DamagedModelError,
    ServableModel,
    check_manifest,
    class_probabilities,
    decode,
    load,
)
from .rows import RowsError, categories, dates, numbers, typed_rows

__all__ = [
    "MANIFEST",
    "DamagedModelError",
    "RowsError",
    "ServableModel",
    "categories",
    "check_manifest",
    "class_probabilities",
    "dates",
    "decode",
    "load",
    "numbers",
    "typed_rows",
]
