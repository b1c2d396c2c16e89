"""Whether the packages for the forms that params ask for are there: asked before anything is computed."""

import importlib.util

from pipeline import paths
from pipeline.errors import ParamsError
from pipeline.params import Export

_PACKAGES = {"onnx": ["onnx", "tf2onnx", "onnxruntime"], "litert": ["ai_edge_litert"]}


def check_installed(export: Export) -> None:
    """Raise ParamsError naming what is missing for `export.formats`, and the command that installs it."""
    absent = {
        package
        for form in (*export.formats, *(["litert"] if export.int8 else []))
        for package in _PACKAGES.get(form, [])
        if importlib.util.find_spec(package) is None
    }
    if absent:
        raise ParamsError(
            f"{paths.PARAMS}: export.formats must name what is installed, but {', '.join(sorted(absent))} "
            f"{'is' if len(absent) == 1 else 'are'} missing. Run `python -m pip install --require-hashes -r "
            "requirements-formats.lock`, or leave the form out."
        )
