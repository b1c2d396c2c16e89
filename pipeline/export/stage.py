"""The stage `export`: write the servable model in every form asked for; prove each in a fresh process."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.console import say, size
from pipeline.determinism import start_tensorflow
from pipeline.digests import digest_array, digest_file, digest_tree
from pipeline.errors import ParityError
from pipeline.export.bundle import write_bundle
from pipeline.export.parity import (
    TOLERANCE,
    compare_classes,
    compare_outputs,
    fresh_predictions,
    is_close,
)
from pipeline.files import fresh_folder, read_json, require, write_json
from pipeline.params import Params
from pipeline.servable import class_probabilities, decode


def run(params: Params) -> dict[str, Any]:
    """Turn `searched/` into `exported/`. Returns what each form costs: seconds and bytes.

    Raises ParityError, leaving no model behind, where a form's predictions for the raw test rows are
    not those of the live network: bit for bit for Keras, within `TOLERANCE` for the others.
    """
    schema = read_json(paths.SCHEMA, made_by="prepare")
    summary = read_json(paths.SEARCH_SUMMARY, made_by="search")
    live = np.load(require(paths.LIVE_PREDICTIONS, made_by="search"))
    rows = pd.read_parquet(require(paths.TEST_ROWS, made_by="prepare"))
    with np.load(require(paths.ARRAYS, made_by="prepare"), allow_pickle=False) as arrays:
        x_train, y_test = arrays["x_train"], arrays["y_test"]
    fresh_folder(paths.EXPORTED)
    fresh_folder(paths.MODEL)
    forms = _write_forms(params, schema, summary["weights"]["digest"], x_train)
    write_bundle(paths.MODEL, paths.PREPROCESSOR, schema, rows, params)

    reports: dict[str, Any] = {}
    costs: dict[str, Any] = {}
    for name, path in forms.items():
        loaded, costs[name] = fresh_predictions(paths.MODEL, path, paths.TEST_ROWS)
        reports[name] = _compare(live, loaded, schema) | _identity(path)
        if name == "litert_int8":
            reports[name]["test_score"] = _score(y_test, loaded, schema)
            reports[name]["test_score_of_keras"] = _score(y_test, live, schema)
        elif not _is_proved(name, live, loaded, reports[name]):
            fresh_folder(paths.EXPORTED)
            allowed = "bit for bit" if name == "keras" else f"to {TOLERANCE:g}"
            raise ParityError(
                f"The form {name!r} must predict the {len(live)} test rows like the live model, {allowed}, "
                f"but got {reports[name]}. No model was kept; is prepared/ of the same execution as "
                "searched/? Run `dvc repro`."
            )
    digests = {
        "weights": summary["weights"]["digest"],
        "predictions": digest_array(live),
        "model": digest_tree(paths.MODEL),
    }
    write_json(paths.PARITY, reports | {"tolerance": TOLERANCE, "digests": digests})
    _summarise(reports)
    return costs


def _write_forms(
    params: Params, schema: dict[str, Any], weights: str, x_train: np.ndarray
) -> dict[str, Path]:
    """Write the network's forms; those that the model is served with go into its folder."""
    forms = {"keras": paths.MODEL / paths.NETWORK.name}
    shutil.copyfile(paths.NETWORK, forms["keras"])
    export = params.export
    if set(export.formats) <= {"keras"} and not export.int8:
        return forms
    start_tensorflow(params.determinism)
    import keras

    from pipeline.export import formats

    network = keras.models.load_model(paths.NETWORK, compile=False)
    about = formats.describe(schema, weights)
    if "onnx" in export.formats:
        forms["onnx"] = paths.MODEL / "network.onnx"
        formats.write_onnx(network, forms["onnx"], about)
    if "litert" in export.formats:
        forms["litert"] = paths.EXPORTED / "network.tflite"
        formats.write_litert(network, forms["litert"], about)
    if export.int8:
        forms["litert_int8"] = paths.EXPORTED / "network-int8.tflite"
        formats.write_litert(network, forms["litert_int8"], about, calibration=x_train)
    if "savedmodel" in export.formats:
        forms["savedmodel"] = paths.EXPORTED / "savedmodel"
        formats.write_saved_model(network, forms["savedmodel"])
    return forms


def _compare(live: np.ndarray, loaded: np.ndarray, schema: dict[str, Any]) -> dict[str, Any]:
    report = compare_outputs(live, loaded)
    if schema["task"] == "classification" and live.shape == loaded.shape:
        report |= compare_classes(*(class_probabilities(outputs) for outputs in (live, loaded)))
    return report


def _is_proved(name: str, live: np.ndarray, loaded: np.ndarray, report: dict[str, Any]) -> bool:
    if name == "keras":
        return bool(report["identical"])
    return is_close(live, loaded) and not report.get("class_changes_beyond_tolerance")


def _identity(path: Path) -> dict[str, Any]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    digest = digest_file(path) if path.is_file() else digest_tree(path)
    return {
        "file": path.relative_to(paths.EXPORTED).as_posix(),
        "bytes": sum(file.stat().st_size for file in files),
        "digest": digest,
    }


def _score(y: np.ndarray, outputs: np.ndarray, schema: dict[str, Any]) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, r2_score

    if schema["task"] == "classification":
        return {"accuracy": float(accuracy_score(y, class_probabilities(outputs).argmax(axis=1)))}
    return {"r2": float(r2_score(y, decode(outputs, schema)["prediction"]))}


def _summarise(reports: dict[str, Any]) -> None:
    model_bytes = sum(path.stat().st_size for path in paths.MODEL.rglob("*") if path.is_file())
    n_rows = reports["keras"]["rows"]
    say(
        f"export: {paths.MODEL} ({size(model_bytes)}); a fresh process predicts the {n_rows} "
        "test rows bit for bit like the live model"
    )
    for name, report in reports.items():
        if name == "keras":
            continue
        costs = ""
        if name == "litert_int8":
            ((metric, now),) = report["test_score"].items()
            costs = f"; {metric} {now:.4g}, Keras {report['test_score_of_keras'][metric]:.4g}"
        say(
            f"export: {name} ({size(report['bytes'])}) in a fresh process: outputs differ by at most "
            f"{report['maximum_difference']:.1e}{costs}"
        )
