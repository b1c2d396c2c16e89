"""Inferring from images: folders, arrays and tables of paths."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.errors import DataError
from pipeline.prepare.infer.inferred import Inferred, set_batch, set_task
from pipeline.prepare.sources.image_folder import EXTENSIONS

# Images that are looked at; the stage `prepare` reads all of them.
MAX_IMAGES = 300
# The largest image side that a search on a CPU gets through in reasonable time.
_MAX_SIDE = 64


def infer_folder(folder: Path, found: Inferred) -> None:
    """Infer from a folder of images with one sub-folder a class."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in EXTENSIONS)
    if not files:
        raise DataError(
            f"{folder} must hold sub-folders of images, or one table, but got neither. Name the table itself."
        )
    found.set("data.kind", "image", f"{len(files)} images in sub-folders")
    found.set("data.task", "classification", f"{len(classes)} sub-folders: {', '.join(classes[:5])} …")
    found.values["data.target"] = None
    step = max(1, len(files) // MAX_IMAGES)
    set_image_format([shape_of(file) for file in files[::step]], found)
    set_batch(len(files), found)


def shape_of(file: Path) -> tuple[int, int, bool]:
    """Give an image's height, width and whether it is grey."""
    try:
        with Image.open(file) as image:
            return image.height, image.width, image.mode in {"1", "L", "I", "I;16"}
    except OSError as error:
        raise DataError(f"{file} must be a whole image, but got: {error}. Replace or remove it.") from error


def set_image_format(shapes: list[tuple[int, int, bool]], found: Inferred) -> None:
    """Choose size and channels from images' heights, widths and whether they are grey."""
    height, width = (int(np.median([shape[axis] for shape in shapes])) for axis in (0, 1))
    scale = min(1.0, _MAX_SIDE / max(height, width))
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    shrunk = f", shrunk to {_MAX_SIDE} pixels for the search" if scale < 1 else ""
    found.set("data.image_size", size, f"the median of {len(shapes)} images is {height} × {width}{shrunk}")
    grey = all(shape[2] for shape in shapes)
    found.set("data.channels", 1 if grey else 3, "all are grey" if grey else "some are in colour")


def infer_npz(path: Path, found: Inferred) -> None:
    """Infer from the arrays of an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            x, y = archive["x"], archive["y"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} must be an .npz file with the arrays x and y, but got: {error}.") from error
    images = x.ndim in {3, 4}
    found.set("data.kind", "image" if images else "structured", f"x has the shape {x.shape}")
    found.values["data.target"] = None
    set_task(pd.Series(y.reshape(len(y), -1)[:, 0]), "y", found)
    if images:
        set_image_format([(x.shape[1], x.shape[2], x.ndim == 3 or x.shape[3] == 1)], found)
    set_batch(len(x), found)


def column_of_images(rows: pd.DataFrame, folder: Path) -> str | None:
    """Find the column whose cells are names of image files in the folder."""
    for name in rows.columns:
        cells = rows[name].head(20)
        if all(isinstance(cell, str) and Path(cell).suffix.lower() in EXTENSIONS for cell in cells):
            return str(name) if any((folder / cell).is_file() for cell in cells) else None
    return None
