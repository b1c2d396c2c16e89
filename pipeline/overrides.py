"""Writing other params into params.yaml: comments kept, every key checked first, said aloud."""

import io
from pathlib import Path
from typing import Any

import yaml

from pipeline import paths
from pipeline.errors import ParamsError, several
from pipeline.files import write_whole
from pipeline.params import check_params, flat, known_keys, load_yaml
from pipeline.problems import nearest


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
    """Set `pairs` in `target`, which keeps its comments; with `source`, all of that file's params first.

    What `source` leaves out takes its default, so that the result does not depend on what `target`
    held before. Returns what changed, one line a key. Raises ParamsError, and writes nothing, where
    the result would break a rule.
    """
    editor = _editor()
    text = _read(target)
    document = editor.load(text)
    before = _flatten(load_yaml(text))
    wanted = {} if source is None else flat(check_params(load_yaml(_read(source)), source))
    wanted |= {key: _value(value) for key, value in pairs.items()}
    for key, value in wanted.items():
        if key not in before or before[key] != value:
            *sections, name = key.split(".")
            section = document
            for part in sections:
                section = section.setdefault(part, {})
            section[name] = value
    stream = io.StringIO()
    editor.dump(document, stream)
    after = _flatten(load_yaml(stream.getvalue()))
    check_params(load_yaml(stream.getvalue()), source or target)
    if after != before:
        write_whole(target, stream.getvalue().encode())
    return [
        f"{key}: {before.get(key, '(default)')} → {value}"
        for key, value in after.items()
        if key not in before or before[key] != value
    ]


def _editor() -> Any:
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 1000
    # An empty value would read as null too, but not to a person.
    editor.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return editor


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(
            f"{path} cannot be read ({error.strerror}). Name a params file that exists."
        ) from error


def _value(text: str) -> Any:
    """Read one override's value the way params.yaml would be read."""
    try:
        return load_yaml(text)
    except yaml.YAMLError:
        return text


def _flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in dict(values or {}).items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and not prefix:
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat
