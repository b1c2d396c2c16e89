"""A folder of images with one sub-folder a class."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.errors import DataError, several

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp"}
_CHUNK = 256


class ImageFolder:
    """Images as bytes, and the names of the folders that they are in."""

    def __init__(self, path: Path, *, column: str, target: str | None) -> None:
        self._path = path
        self._column = column
        self.target: str | None = target or "class"
        self._files = _list(path)

    def place(self, row: int) -> str:
        """Name the file."""
        return self._files[row].as_posix()

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Read rows of image bytes and class names, in the order of the files' names."""
        for first in range(0, len(self._files), _CHUNK):
            files = self._files[first : first + _CHUNK]
            frame = pd.DataFrame(
                {
                    self._column: [path.read_bytes() for path in files],
                    self.target: [path.parent.name for path in files],
                }
            )
            frame.index = pd.RangeIndex(first, first + len(files))
            yield frame


def _list(folder: Path) -> list[Path]:
    """List the images of all classes. Raises DataError for an empty class or images outside of one."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    problems = []
    loose = [path.name for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS]
    if loose:
        problems.append(
            f"{folder} must hold images in one sub-folder a class, but got {len(loose)} beside the "
            f"sub-folders ({loose[0]} …). Move them into a class's folder."
        )
    if not classes and not loose:
        problems.append(
            f"{folder} must hold one sub-folder of images a class, but got none. Where a table lists "
            "the images, set data.train to its name and data.column to the column with their paths."
        )
    files: list[Path] = []
    for path in classes:
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in EXTENSIONS)
        if not found:
            problems.append(
                f"{path} must hold images ({', '.join(sorted(EXTENSIONS))}), but got none. Add some, or "
                "remove the folder."
            )
        files += found
    if problems:
        raise DataError(several(problems))
    return files
