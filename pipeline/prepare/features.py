"""Preprocessing, fitted on the training rows only, and its file without pickle."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.files import in_order_of_mention, read_zip, rename_values, write_zip

# Rarer categories of a column share one feature, so that a column of names cannot explode.
MAX_CATEGORIES = 64


def fit_preprocessor(train: pd.DataFrame, schema: dict[str, Any]) -> ColumnTransformer:
    """Fit on typed training rows: impute with indicator, encode categories, scale.

    A category never seen in training becomes the column's rare one, or all zeros.
    """
    numeric = [column["name"] for column in schema["columns"] if column["type"] == "numeric"]
    categorical = [column["name"] for column in schema["columns"] if column["type"] == "categorical"]
    numbers = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
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
                    max_categories=MAX_CATEGORIES,
                    sparse_output=False,
                ),
            ),
        ]
    )
    preprocessor = ColumnTransformer(
        [("numeric", numbers, numeric), ("categorical", categories, categorical)],
        verbose_feature_names_out=False,
    )
    return preprocessor.fit(train)


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
