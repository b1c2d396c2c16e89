"""The servable model folder: everything that turns raw rows into predictions, and nothing else."""

import base64
import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import servable
from pipeline.digests import digest_file
from pipeline.files import write_json, write_whole
from pipeline.params import Params

# What serving needs besides MLflow, by what the model is; versions are those that made it.
_ALWAYS = ("numpy", "pandas")
_BY_KIND = {"structured": ("scikit-learn", "skops"), "image": ("pillow",), "text": ()}
_BY_RUNTIME = {"onnx": ("onnxruntime",), "keras": ("keras", "tensorflow")}
_EXAMPLE_ROWS = 3


def write_bundle(
    folder: Path,
    preprocessor: Path,
    schema: dict[str, Any],
    rows: pd.DataFrame,
    params: Params,
) -> None:
    """Write, around the network that is there: preprocessing, schema, code, requirements and digests.

    `rows` are raw rows, of which the first are kept as an input example.
    """
    if preprocessor.exists():
        shutil.copyfile(preprocessor, folder / "preprocessor.skops")
    code = Path(servable.__file__).parent
    shutil.copytree(code, folder / code.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(Path(__file__).with_name("pyfunc.py"), folder / "pyfunc.py")
    served = {key: value for key, value in schema.items() if key != "features"}
    write_json(folder / "schema.json", served | {"batch_size": params.export.batch_size})
    write_json(folder / "input_example.json", input_example(rows, schema))
    runtime = "onnx" if (folder / "network.onnx").exists() else "keras"
    names = sorted((*_ALWAYS, *_BY_KIND[schema["kind"]], *_BY_RUNTIME[runtime]))
    requirements = "".join(f"{name}=={metadata.version(name)}\n" for name in names)
    write_whole(folder / "requirements.txt", requirements.encode())
    files = {path.relative_to(folder).as_posix(): digest_file(path)
             for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip
    write_json(folder / servable.MANIFEST, {"files": files})


def input_example(rows: pd.DataFrame, schema: dict[str, Any]) -> dict[str, Any]:
    """Give a few rows as `columns` and `data`: missing values as null, images in Base64."""
    shown, missing = rows.head(_EXAMPLE_ROWS), frozenset(schema["missing"])
    cells = {}
    for column in schema["columns"]:
        values = shown[column["name"]]
        match column["type"]:
            case "image":
                cells[column["name"]] = values.map(lambda image: base64.b64encode(image).decode())
            case "numeric":
                cells[column["name"]] = servable.numbers(values, missing)
            case "categorical":
                cells[column["name"]] = servable.categories(values, missing)
            case _:
                cells[column["name"]] = values.astype("str")
    return json.loads(pd.DataFrame(cells).to_json(orient="split", index=False, double_precision=15))
