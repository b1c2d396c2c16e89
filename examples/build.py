"""`python -m examples.build`: make the examples' data from what a Python environment already holds.

What it makes, and under which licence, stands in examples/README.md.
The same packages give the same bytes.
"""

import ast
import csv
import importlib.util
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits

from pipeline.determinism import numpy_generator
from pipeline.files import write_zip

FOLDER = Path("data/examples")
LIBRARIES = ("numpy", "pandas", "scipy", "sklearn")
# Enough to learn from, few enough to search in a minute.
_TEXTS_A_LIBRARY = 700
_WORDS = 80
_LARGEST_ANGLE = 45


def main() -> None:
    """Make all data anew, whole or not at all."""
    partial = FOLDER.with_name(".examples.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    load_diabetes(as_frame=True, scaled=False).frame.to_parquet(partial / "diabetes.parquet", index=False)
    write_digits(partial)
    write_rotated(partial / "rotated")
    write_docstrings(partial / "docstrings.csv")
    shutil.rmtree(FOLDER, ignore_errors=True)
    partial.rename(FOLDER)
    print(f"{FOLDER}: {sum(path.is_file() for path in FOLDER.rglob('*'))} files")


def write_digits(folder: Path) -> None:
    """Write the digits as PNG files, one folder a digit, and as one NPZ file."""
    digits = load_digits()
    pixels = (digits.images * 15).astype(np.uint8)  # from 0 to 16
    for number, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        path = folder / "digits" / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    # As numpy.savez would, but without the date that it writes into the file.
    arrays = {"x.npy": _npy(pixels), "y.npy": _npy(digits.target)}
    write_zip(folder / "digits.npz", arrays.items())


def write_rotated(folder: Path) -> None:
    """Write digits turned by an angle, and a table of their paths and angles in degrees."""
    folder.mkdir()
    digits = load_digits()
    angles = numpy_generator(0, "rotated digits").uniform(-_LARGEST_ANGLE, _LARGEST_ANGLE, len(digits.images))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["file", "angle"])
        for number, (image, angle) in enumerate(zip(digits.images, angles, strict=True)):
            name = f"{number:04d}.png"
            large = Image.fromarray((image * 15).astype(np.uint8)).resize((16, 16), Image.Resampling.BILINEAR)
            large.rotate(angle, Image.Resampling.BILINEAR).save(folder / name)
            table.writerow([name, f"{angle:.2f}"])


def write_docstrings(path: Path) -> None:
    """Write the first words of functions' documentation, their library and number of parameters."""
    rows = []
    for library in LIBRARIES:
        found = sorted(set(_documented(library)))
        chosen = numpy_generator(0, library).choice(len(found), _TEXTS_A_LIBRARY, replace=False)
        rows += [(*found[n], library) for n in sorted(chosen)]
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["text", "parameters", "library"])
        table.writerows(rows)


def _documented(library: str) -> Iterator[tuple[str, int]]:
    """Read a library's source for public functions with documentation; nothing is imported."""
    spec = importlib.util.find_spec(library)
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        if "tests" in path.parts or path.name.startswith("test_"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                text = " ".join((ast.get_docstring(node) or "").split()[:_WORDS])
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len(text.split()) >= 20:
                    yield text, sum(argument.arg not in {"self", "cls"} for argument in arguments)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


if __name__ == "__main__":
    main()
