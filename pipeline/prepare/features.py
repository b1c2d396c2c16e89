"""Preprocessing, fitted on the training rows only, and its file without pickle."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from pipeline.determinism import numpy_generator
from pipeline.files import in_order_of_mention, read_zip, rename_values, write_zip
from pipeline.params import Params
from pipeline.prepare.sources.opening import Joined
from pipeline.prepare.validation import MANY_CATEGORIES
from pipeline.servable.features import Features
from pipeline.servable.rows import numeric_names, typed_rows
from pipeline.servable.text import texts, tokens

# Medians, spreads and categories of more rows than this are the same to all that matters.
_MAX_FITTED = 100_000
_MAX_QUANTILES = 100


def fit_features(
    source: Joined, schema: dict[str, Any], train: np.ndarray, params: Params
) -> tuple[Features, ColumnTransformer | None]:
    """Fit what the kind of data needs on the training rows.

    A table's preprocessor is returned as well, to be saved. A text's vocabulary becomes part of the
    schema. Images need nothing fitted.
    """
    if schema["kind"] == "image":
        return Features(schema), None
    if schema["kind"] == "text":
        schema["vocabulary"] = learn_vocabulary(source, schema, train, params.data.vocabulary_size)
        return Features(schema), None
    if len(train) > _MAX_FITTED:
        drawn = numpy_generator(params.seed, "preprocessing").choice(train, _MAX_FITTED, replace=False)
        train = np.sort(drawn)
    parts = [typed_rows(chunk[chunk.index.isin(train)], schema) for chunk in source.chunks()]
    preprocessor = fit_preprocessor(pd.concat(parts), schema)
    return Features(schema, preprocessor), preprocessor


def learn_vocabulary(source: Joined, schema: dict[str, Any], train: np.ndarray, size: int) -> list[str]:
    """List the most frequent tokens of the training rows, most frequent first, ties by the alphabet."""
    counts: Counter[str] = Counter()
    for chunk in source.chunks():
        for text in texts(chunk[chunk.index.isin(train)], schema):
            counts.update(tokens(text, schema))
    return sorted(counts, key=lambda token: (-counts[token], token))[:size]


def fit_preprocessor(train: pd.DataFrame, schema: dict[str, Any]) -> ColumnTransformer:
    """Fit on typed training rows: impute with indicator, scale and rank numbers, encode categories.

    A category never seen in training becomes the column's rare one, or all zeros. Ranks (a number's
    quantile in train) show a network differences where most values are, whatever the few largest are.
    """
    numeric = numeric_names(schema)
    categorical = [column["name"] for column in schema["columns"] if column["type"] == "categorical"]
    numbers = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
        ]
    )
    ranks = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("rank", QuantileTransformer(n_quantiles=min(_MAX_QUANTILES, len(train)), subsample=None)),
            ("scale", StandardScaler()),
        ]
    )
    categories = Pipeline(
        [
            ("impute", SimpleImputer(strategy="constant", fill_value="(missing)", missing_values=None)),
            (
                "encode",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist",
                    max_categories=MANY_CATEGORIES,
                    sparse_output=False,
                ),
            ),
        ]
    )
    preprocessor = ColumnTransformer(
        [("numeric", numbers, numeric), ("rank", ranks, numeric), ("categorical", categories, categorical)]
    )
    return preprocessor.fit(train)


def feature_names(preprocessor: ColumnTransformer) -> list[str]:
    """Name the features: `age`, `rank of age`, `colour_red`."""
    names = (str(name).partition("__") for name in preprocessor.get_feature_names_out())
    return [f"rank of {name}" if kind == "rank" else name for kind, _, name in names]


def save_preprocessor(preprocessor: ColumnTransformer, path: Path) -> None:
    """Save with skops, then rewrite the file so that equal preprocessors give equal bytes.

    skops names objects and members by memory address (`id()`, skops/io/_utils.py): here they are
    numbered in the order in which the file mentions them.
    """
    skops.io.dump(preprocessor, path)
    members = read_zip(path)
    schema = json.loads(members.pop("schema.json"))
    number = in_order_of_mention(lambda n, _: n)
    name = in_order_of_mention(lambda n, old: f"{n}{Path(old).suffix}")
    schema = rename_values(rename_values(schema, "__id__", number), "file", name)
    renamed = {name(old): content for old, content in members.items()}
    write_zip(path, [("schema.json", json.dumps(schema).encode()), *renamed.items()])
