"""Plots, each as a CSV that `dvc plots` knows and as a PNG picture for MLflow and the report."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay, precision_recall_curve, roc_curve

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

# A curve of more points than this looks the same and only costs space.
_MAX_POINTS = 500


def plot_classification(folder: Path, y: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> None:
    """Draw the confusion matrix, and ROC and precision-recall curves for every class in the test rows."""
    labels = np.asarray(classes, dtype=object)
    actual, predicted = labels[y], labels[probabilities.argmax(axis=1)]
    _write_table(folder / "confusion_matrix.csv", {"actual": actual, "predicted": predicted})
    figure, axes = plt.subplots(figsize=(2 + 0.6 * len(classes), 1.5 + 0.6 * len(classes)))
    ConfusionMatrixDisplay.from_predictions(actual, predicted, labels=classes, ax=axes, colorbar=False,
                                            xticks_rotation="vertical")  # fmt: skip
    _save(figure, folder / "confusion_matrix.png")

    shown = [1] if len(classes) == 2 else [code for code in range(len(classes)) if (y == code).any()]
    curves = {
        "roc": ("false_positive_rate", "true_positive_rate", roc_curve),
        "precision_recall": ("recall", "precision", _recall_precision),
    }
    for name, (x_label, y_label, curve) in curves.items():
        tables = []
        for code in shown:
            x, height, *_ = curve(y == code, probabilities[:, code])
            keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MAX_POINTS)).astype(int))
            tables.append(pd.DataFrame({x_label: x[keep], y_label: height[keep], "class": classes[code]}))
        _curves(folder / name, pd.concat(tables), x_label, y_label)


def plot_regression(folder: Path, y: np.ndarray, predicted: np.ndarray) -> None:
    """Draw residuals (actual less predicted) over predictions, in the target's unit."""
    table = {"predicted": predicted, "residual": y - predicted}
    _write_table(folder / "residuals.csv", table)
    figure, axes = plt.subplots(figsize=(5, 4))
    axes.scatter(predicted, y - predicted, s=6, alpha=0.5)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="predicted", ylabel="actual - predicted", title="Residuals on the test set")
    _save(figure, folder / "residuals.png")


def plot_search(folder: Path, trials: list[dict[str, Any]], objective: str, direction: str) -> None:
    """Draw every trial's score and the best so far."""
    best = np.nan
    rows = []
    for trial in trials:
        score = trial["score"]
        if score is not None:
            best = np.fmax(best, score) if direction == "max" else np.fmin(best, score)
        rows.append({"trial": trial["number"], objective: score, "best_so_far": best})
    table = pd.DataFrame(rows)
    _write_table(folder / "search.csv", table)
    figure, axes = plt.subplots(figsize=(5, 4))
    axes.plot(table["trial"], table[objective].astype(float), "o", label="trial")
    axes.step(table["trial"], table["best_so_far"].astype(float), where="post", label="best so far")
    axes.set(xlabel="trial", ylabel=objective, title="Search")
    axes.legend()
    _save(figure, folder / "search.png")


def _recall_precision(y: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    precision, recall, _ = precision_recall_curve(y, scores)
    return recall, precision


def _curves(stem: Path, table: pd.DataFrame, x_label: str, y_label: str) -> None:
    _write_table(stem.with_suffix(".csv"), table)
    figure, axes = plt.subplots(figsize=(5, 4))
    for name, curve in table.groupby("class", sort=False):
        axes.plot(curve[x_label], curve[y_label], label=str(name))
    axes.set(xlabel=x_label.replace("_", " "), ylabel=y_label.replace("_", " "))
    axes.legend(title="class")
    _save(figure, stem.with_suffix(".png"))


def _write_table(path: Path, table: Any) -> None:
    pd.DataFrame(table).to_csv(path, index=False, lineterminator="\n")


def _save(figure: Figure, path: Path) -> None:
    # Without Software the picture does not name matplotlib's version: same picture, same bytes.
    figure.savefig(path, dpi=100, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
