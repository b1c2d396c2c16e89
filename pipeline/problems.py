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
