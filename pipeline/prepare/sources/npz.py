"""NPZ files with the arrays `x` and `y`, as numpy and Keras's datasets save them."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.errors import DataError, several

_CHUNK = 25_000
_CHUNK_OF_IMAGES = 256


class Npz:
    """An .npz file: `y` of shape (n,), and `x` of shape (n, columns) or (n, height, width[, channels])."""

    def __init__(self, path: Path, *, images: bool, column: str, target: str | None) -> None:
        self._path = path
        self._images = images
        self._column = column
        self.target: str | None = target or "y"

    def place(self, row: int) -> str:
        """Count rows from 0, as numpy does."""
        return f"row {row}"

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Read rows: columns x0, x1 …, or PNG bytes of each image.

        Raises DataError where the arrays are missing, pickled or of another shape or type.
        """
        x, y = self._arrays()
        size = _CHUNK_OF_IMAGES if self._images else _CHUNK
        for first in range(0, len(x), size):
            rows = slice(first, min(first + size, len(x)))
            if self._images:
                frame = pd.DataFrame({self._column: [_png(image) for image in x[rows]]})
            else:
                frame = pd.DataFrame(x[rows], columns=[f"x{n}" for n in range(x.shape[1])])
            frame[self.target] = y[rows]
            frame.index = pd.RangeIndex(rows.start, rows.stop)
            yield frame

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        try:
            with np.load(self._path, allow_pickle=False) as archive:
                absent = [name for name in ("x", "y") if name not in archive.files]
                if absent:
                    raise DataError(
                        f"{self._path} must hold the arrays x and y, but {' and '.join(absent)} "
                        f"{'is' if len(absent) == 1 else 'are'} not among {archive.files}. Save it with "
                        "numpy.savez(path, x=…, y=…)."
                    )
                x, y = archive["x"], archive["y"]
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise DataError(
                f"{self._path} must be a whole .npz file without pickled objects, but got: {error}. "
                "Save it again with numpy.savez."
            ) from error
        self._check(x, y)
        return x, y.reshape(-1)

    def _check(self, x: np.ndarray, y: np.ndarray) -> None:
        problems = []
        if self._images:
            is_image = x.ndim == 3 or (x.ndim == 4 and x.shape[3] in {1, 3})
            if not is_image:
                problems.append(
                    "x must have the shape (n, height, width) or (n, height, width, 1 or 3) where "
                    f"data.kind is image, but got {x.shape}. Reshape it."
                )
            elif x.dtype != np.uint8:
                problems.append(
                    f"x must hold pixels from 0 to 255 as uint8, but got {x.dtype}. Scale it, and save "
                    "x.astype('uint8')."
                )
        elif x.ndim != 2 or x.dtype.kind not in "fiub":
            problems.append(
                "x must be an array of numbers of shape (n, columns) where data.kind is structured, but "
                f"got {x.dtype} of {x.shape}. Reshape it, or set data.kind to image."
            )
        if y.shape not in {(len(x),), (len(x), 1)}:
            problems.append(
                f"y must have one label a row of x, shape ({len(x)},), but got {y.shape}. "
                "Make class numbers of one-hot labels with y.argmax(axis=1)."
            )
        if problems:
            raise DataError(several([f"{self._path}: {problem}" for problem in problems]))


def _png(image: np.ndarray) -> bytes:
    """Encode pixels as PNG, which loses nothing: a served model takes image files."""
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
