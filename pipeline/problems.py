"""Wording what is wrong with params: where, the rule, what came, what to do."""

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def nearest(key: str, known: list[str]) -> str:
    """Say which known key a misspelt one was probably meant to be."""
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}."


def problem(path: Path, item: Any, schema: type[BaseModel], known: list[str]) -> str:
    """Word one of pydantic's errors over `schema` as where, rule, what came and what to do."""
    key = ".".join(str(part) for part in item["loc"])
    match item["type"]:
        case "extra_forbidden":
            return f"{path}: {key} is not a known key. {nearest(key, known)}"
        case "missing":
            return f"{path}: {key} is missing. Set it to {_meaning(schema, item['loc'])}."
        case "value_error":
            return f"{path}: {item['ctx']['error']}"
    rule = item["msg"].removeprefix("Input should be ").removeprefix("String should ")
    rule = rule.replace("a valid integer", "an integer").replace("a valid ", "a ")
    rule = rule.replace("greater than or equal to", "at least")
    rule = rule.replace("have at least 1 character", "a text that is not empty")
    return (
        f"{path}: {key} must be {rule}, but got {item['input']!r}. Set it to {_meaning(schema, item['loc'])}."
    )


def misfits(params: Any) -> list[str]:
    """Word every rule between the keys of Params that is broken."""
    data, split, search = params.data, params.split, params.search
    problems = []
    if split.test + split.validation >= 1:
        problems.append(
            "split.test + split.validation must leave rows to train on (below 1 together), "
            f"but got {split.test} + {split.validation}. Lower one of them."
        )
    if split.group and split.time:
        problems.append("split.group and split.time cannot be set both. Set one of them to null.")
    wrong = {"classification": "val_mean_squared_error", "regression": "val_accuracy"}
    if search.objective == wrong[data.task]:
        problems.append(
            f"search.objective cannot be {search.objective} where data.task is {data.task}. "
            "Set it to val_loss."
        )
    if search.class_weights and data.task == "regression":
        problems.append("search.class_weights must be null where data.task is regression. Set it to null.")
    if data.target in data.ignore:
        problems.append(
            f"data.ignore must not hold the target, but got {data.target!r}. Take it out of the list."
        )
    if data.target is None and data.kind == "structured" and not data.path.endswith(".npz"):
        problems.append("data.target is missing. Set it to the column to predict.")
    if data.kind == "text" and data.column is None:
        problems.append("data.column is missing. Set it to the column with the text.")
    if data.kind == "structured" and data.column is not None:
        problems.append(
            f"data.column must be null where data.kind is structured, but got {data.column!r}. "
            "Set it to null, or data.kind to text or image."
        )
    for name, values in search.space.items():
        listed = values if isinstance(values, list) else [values]
        if not listed or not all(isinstance(value, bool | int | float | str) for value in listed):
            problems.append(
                f"search.space: {name} must have a value or a list of values, but got {values!r}. "
                "`python -m pipeline space` lists what there is."
            )
    return problems


def _meaning(schema: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Say what belongs at a key, from its field's description or its type."""
    model: Any = schema
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            break
        if field.description:
            return str(field.description)
        model = field.annotation
    choices = getattr(model, "__args__", None)
    if choices:
        return "one of " + ", ".join(map(str, choices))
    return {bool: "true or false"}.get(model, "what the comments in params.yaml describe")
