"""Writing files whole, and with the same bytes every time."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipeline.digests import plain
from pipeline.errors import MissingError

# The earliest date a zip member can carry: a member's date must not tell when it was written.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader, or a kill at any moment, sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # Without this a power cut can lose the rename although the file's own bytes are safe.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON a person can read: sorted keys, two spaces, non-finite numbers as text."""
    text = json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_whole(path, (text + "\n").encode())


def read_json(path: Path, *, made_by: str) -> Any:
    """Read a JSON file that the stage `made_by` writes.

    Raises MissingError, naming the stage to run, where the file is missing.
    """
    require(path, made_by=made_by)
    return json.loads(path.read_text(encoding="utf-8"))


def require(path: Path, *, made_by: str) -> Path:
    """Return `path`, or raise MissingError naming the stage that writes it."""
    if not path.exists():
        raise MissingError(
            f"{path} is missing; the stage '{made_by}' writes it. Run `dvc repro {made_by}` first."
        )
    return path


def fresh_folder(folder: Path) -> Path:
    """Empty a stage's output folder: what a killed or older execution left must not stay in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a zip whose bytes depend on its members only: sorted, uncompressed, with a fixed date."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members):
            member = zipfile.ZipInfo(name, _ZIP_DATE)
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    temporary.replace(path)


def read_zip(path: Path) -> dict[str, bytes]:
    """Read all members of a zip into memory, by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def in_order_of_mention(name: Callable[[int, Any], Any]) -> Callable[[Any], Any]:
    """Make a renaming for values that differ between processes, such as memory addresses.

    The first value asked for becomes `name(0, value)`, the next other one `name(1, value)` …
    """
    table: dict[Any, Any] = {}
    return lambda value: table.setdefault(value, name(len(table), value))


def rename_values(node: Any, key: str, rename: Callable[[Any], Any]) -> Any:
    """Copy nested JSON with every value that stands under `key` renamed."""
    if isinstance(node, list):
        return [rename_values(item, key, rename) for item in node]
    if isinstance(node, dict):
        return {
            name: rename(value) if name == key and value is not None else rename_values(value, key, rename)
            for name, value in node.items()
        }
    return node
