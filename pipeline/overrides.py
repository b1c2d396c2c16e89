"""Writing other params into params.yaml: comments kept, every key checked first, said aloud."""

import io
from pathlib import Path
from typing import Any

import yaml

from pipeline import paths
from pipeline.errors import ParamsError, several
from pipeline.files import write_whole
from pipeline.params import check_params, known_keys, nearest


def parse(arguments: list[str]) -> dict[str, str]:
    """Read `--search.max_trials 20` or `--search.max_trials=20` pairs.

    Raises ParamsError for a key that params.yaml does not know, naming the nearest one.
    """
    pairs: dict[str, str] = {}
    problems = []
    queue = list(arguments)
    while queue:
        key, has_value, value = queue.pop(0).partition("=")
        if not key.startswith("--"):
            problems.append(f"an override must look like --search.max_trials 20, but got {key!r}")
            continue
        if not has_value:
            if not queue:
                problems.append(f"{key} must be followed by its value, but got nothing")
                continue
            value = queue.pop(0)
        pairs[key.removeprefix("--")] = value
    known = known_keys()
    unknown = [f"{key} is not a known key. {nearest(key, known)}" for key in pairs if key not in known]
    if problems or unknown:
        raise ParamsError(several(problems + unknown))
    return pairs


def apply(source: Path | None, pairs: dict[str, str], target: Path = paths.PARAMS) -> list[str]:
    """Write the params of `source` (or of `target` itself) with `pairs` set into `target`.

    Returns what changed, one line a key. Raises ParamsError, and writes nothing, where the
    result would break a rule.
    """
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 1000
    # An empty value would read as null too, but not to a person.
    editor.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    origin = source or target
    try:
        text = origin.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(
            f"{origin} cannot be read ({error.strerror}). Name a params file that exists."
        ) from error
    document = editor.load(text)
    check_params(yaml.safe_load(text), origin)
    for key, value in pairs.items():
        *sections, name = key.split(".")
        section = document
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = _value(value)
    stream = io.StringIO()
    editor.dump(document, stream)
    after = check_params(yaml.safe_load(stream.getvalue()), origin)

    before = yaml.safe_load(target.read_text(encoding="utf-8")) if target.exists() else {}
    changes = _changes(_flatten(before), _flatten(after.model_dump()), _flatten(document))
    if stream.getvalue() != (target.read_text(encoding="utf-8") if target.exists() else ""):
        write_whole(target, stream.getvalue().encode())
    return changes


def _value(text: str) -> Any:
    """Read one override's value the way params.yaml would be read."""
    # YAML 1.1 takes 1e-3 for text; a person who types it means the number.
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in dict(values or {}).items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and not prefix:
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _changes(before: dict[str, Any], after: dict[str, Any], named: dict[str, Any]) -> list[str]:
    return [
        f"{key}: {before.get(key, '(default)')} → {after[key]}"
        for key in after
        if (key in before or key in named) and before.get(key) != after[key]
    ]
