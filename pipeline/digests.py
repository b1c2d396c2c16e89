"""Digests: SHA-256 of values, arrays, weights, files and code, independent of host and run."""

import ast
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Not at run time: thread counts must be set before numpy is imported.
    import numpy as np


def plain(value: Any) -> Any:
    """Turn a value into what JSON holds: numpy scalars unwrapped, non-finite numbers as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "dtype") and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def digest_json(value: Any) -> str:
    """Digest a value by its canonical JSON: sorted keys, no white space."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_array(array: "np.ndarray") -> str:
    """Digest an array by dtype, shape and bytes in C order."""
    import numpy as np

    hasher = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    hasher.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return hasher.hexdigest()


def digest_arrays(arrays: Mapping[str, "np.ndarray"]) -> str:
    """Digest named arrays together."""
    return digest_json({name: digest_array(array) for name, array in arrays.items()})


def digest_weights(weights: Iterable[tuple[str, "np.ndarray"]]) -> dict[str, Any]:
    """Digest a network's weights: one digest for all, and one for each variable, in layer order."""
    variables = [[path, digest_array(value)] for path, value in weights]
    return {"digest": digest_json(variables), "variables": variables}


def digest_file(path: Path) -> str:
    """Digest a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_tree(folder: Path) -> str:
    """Digest a folder by the relative names and bytes of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_json({path.relative_to(folder).as_posix(): digest_file(path) for path in files})


def digest_code(files: Iterable[Path]) -> str:
    """Digest Python source by its syntax tree, so that comments and layout do not count."""
    return digest_json({path.name: _syntax(path) for path in sorted(files)})


def _syntax(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)
