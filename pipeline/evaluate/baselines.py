"""What a model has to beat: a guess, and gradient boosting on the same rows."""

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from pipeline.determinism import derive_seed
from pipeline.evaluate.metrics import classification_metrics, regression_metrics


def baseline_metrics(
    task: str, arrays: dict[str, np.ndarray], *, with_validation: bool, seed: int
) -> dict[str, dict[str, Any]]:
    """Train the baselines on the rows that the exported network learned from; score the test rows."""
    parts = ("train", "validation") if with_validation else ("train",)
    x, y = (np.concatenate([arrays[f"{name}_{part}"] for part in parts]) for name in ("x", "y"))
    x_test, y_test = arrays["x_test"], arrays["y_test"]
    state = derive_seed(seed, "baseline")
    if task == "regression":
        regressors = {
            "dummy": DummyRegressor(),
            "gradient_boosting": HistGradientBoostingRegressor(random_state=state),
        }
        return {
            name: regression_metrics(y_test, model.fit(x, y).predict(x_test))
            for name, model in regressors.items()
        }
    classifiers = {
        "dummy": DummyClassifier(),
        "gradient_boosting": HistGradientBoostingClassifier(random_state=state),
    }
    scores = {}
    for name, model in classifiers.items():
        model.fit(x, y)
        # A class too rare to be in the training rows has no column of its own.
        probabilities = np.zeros((len(x_test), int(arrays["n_classes"])))
        probabilities[:, model.classes_] = model.predict_proba(x_test)
        scores[name] = classification_metrics(y_test, probabilities)
    return scores
