"""What a model has to beat: a guess, and a plain model of the kind that one would try first."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.determinism import derive_seed, numpy_generator
from pipeline.evaluate.metrics import classification_metrics, regression_metrics

# A baseline of images learns from thumbnails of at most this many pixels a side …
_THUMBNAIL = 16
# … and from at most this many of them: it is there to be beaten, not to be waited for.
_MAX_IMAGES = 10_000


def baseline_metrics(
    schema: dict[str, Any], arrays: dict[str, np.ndarray], *, with_validation: bool, seed: int
) -> dict[str, dict[str, Any]]:
    """Train the baselines on the rows that the exported network learned from; score the test rows.

    Beside a guess: gradient boosting for tables, a linear model on thumbnails for images, one on
    TF-IDF weights for text.
    """
    parts = ("train", "validation") if with_validation else ("train",)
    x, y = (np.concatenate([arrays[f"{name}_{part}"] for part in parts]) for name in ("x", "y"))
    x_test, y_test = arrays["x_test"], arrays["y_test"]
    if schema["kind"] == "image" and len(x) > _MAX_IMAGES:
        drawn = np.sort(numpy_generator(seed, "baseline rows").choice(len(x), _MAX_IMAGES, replace=False))
        x, y = x[drawn], y[drawn]
    x, x_test = (_features(array, schema) for array in (x, x_test))
    scores = {}
    for name, model in _models(schema, derive_seed(seed, "baseline")).items():
        model.fit(x, y)
        if schema["task"] == "regression":
            scores[name] = regression_metrics(y_test, model.predict(x_test))
            continue
        # A class too rare to be in the training rows has no column of its own.
        probabilities = np.zeros((len(y_test), len(schema["classes"])))
        probabilities[:, model.classes_] = model.predict_proba(x_test)
        scores[name] = classification_metrics(y_test, probabilities)
    return scores


def _models(schema: dict[str, Any], state: int) -> dict[str, Any]:
    regression = schema["task"] == "regression"
    dummy = DummyRegressor() if regression else DummyClassifier()
    if schema["kind"] == "structured":
        boosting = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
        return {"dummy": dummy, "gradient_boosting": boosting(random_state=state)}
    linear = Ridge() if regression else LogisticRegression(max_iter=500)
    scale = TfidfTransformer() if schema["kind"] == "text" else StandardScaler()
    return {"dummy": dummy, "linear": make_pipeline(scale, linear)}


def _features(x: np.ndarray, schema: dict[str, Any]) -> Any:
    """Turn a network's inputs into a plain model's: shape (n_rows, n_features)."""
    if schema["kind"] == "image":
        step = -(-max(x.shape[1:3]) // _THUMBNAIL)
        return x[:, ::step, ::step].reshape(len(x), -1).astype(np.float64)
    if schema["kind"] == "text":
        # How often each token stands in each text; 0 is padding.
        rows, places = np.nonzero(x)
        shape = (len(x), len(schema["vocabulary"]) + 2)
        return sparse.csr_matrix((np.ones(len(rows)), (rows, x[rows, places])), shape)
    return x
