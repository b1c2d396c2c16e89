"""Image files as arrays of one size and number of channels."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from .rows import RowsError

# Pillow reads many more formats, some of them through code that is seldom looked at.
FORMATS = ("PNG", "JPEG", "BMP")
_MODES = {1: "L", 3: "RGB"}


def pixels(rows: pd.DataFrame, schema: dict[str, Any]) -> np.ndarray:
    """Decode each row's image, given as a file's bytes or path: uint8 of (n_rows, height, width, channels).

    Raises RowsError naming column and row where a cell is missing or not an image.
    """
    (column,) = schema["columns"]
    name = column["name"]
    if name not in rows.columns:
        raise RowsError(f"rows must have the model's column {name!r}, but got {list(rows.columns)}")
    height, width = schema["image_size"]
    decoded = np.empty((len(rows), height, width, schema["channels"]), np.uint8)
    for place, (index, cell) in enumerate(rows[name].items()):
        try:
            decoded[place] = decode_image(cell, schema["image_size"], schema["channels"])
        except (OSError, TypeError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise RowsError(
                f"column {name!r} must hold images (bytes or paths of {', '.join(FORMATS)} files), but "
                f"got this in row {index}: {error}"
            ) from error
    return decoded


def decode_image(cell: Any, size: list[int], channels: int) -> np.ndarray:
    """Decode one image, turn it as its camera noted, and bring it to `size` (height, width).

    Transparent pixels become white. Raises OSError or ValueError where it cannot be read whole.
    """
    if isinstance(cell, str | Path):
        cell = Path(cell).read_bytes()
    if not isinstance(cell, bytes | bytearray | memoryview):
        raise TypeError(f"a {type(cell).__name__}")
    with Image.open(io.BytesIO(cell), formats=FORMATS) as opened:
        image = ImageOps.exif_transpose(opened)
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would cut off at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert(_MODES[channels])
        height, width = size
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        array = np.asarray(image, np.uint8)
    return array.reshape(height, width, channels)
