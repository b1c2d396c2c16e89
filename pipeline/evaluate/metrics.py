"""Test metrics, scikit-learn's own."""

from typing import Any

import numpy as np
from sklearn import metrics


def classification_metrics(y: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """Score class probabilities of shape (n, n_classes) against class codes of shape (n,).

    `roc_auc` (one against the rest, macro, where there are more than two classes) is left out
    where the test rows do not hold every class.
    """
    codes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    # A network's float32 softmax sums to 1 only nearly, which scikit-learn would warn of.
    normalised = probabilities / probabilities.sum(axis=1, keepdims=True)
    scores = {
        "accuracy": metrics.accuracy_score(y, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        "f1_macro": metrics.f1_score(y, predicted, average="macro"),
        "log_loss": metrics.log_loss(y, normalised, labels=codes),
    }
    if len(np.unique(y)) == len(codes):
        score = normalised[:, 1] if len(codes) == 2 else normalised
        scores["roc_auc"] = metrics.roc_auc_score(y, score, multi_class="ovr", labels=codes)
    return {name: float(value) for name, value in scores.items()}


def regression_metrics(y: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Score predictions of shape (n,), in the target's own unit."""
    return {
        "mae": float(metrics.mean_absolute_error(y, predicted)),
        "rmse": float(metrics.root_mean_squared_error(y, predicted)),
        "r2": float(metrics.r2_score(y, predicted)),
        "median_absolute_error": float(metrics.median_absolute_error(y, predicted)),
    }
