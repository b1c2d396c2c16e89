import json

import numpy as np
import pandas as pd
import pytest
import skops.io

from pipeline import paths
from pipeline.digests import digest_tree
from pipeline.params import Split, check_params
from pipeline.prepare.features import fit_preprocessor, save_preprocessor
from pipeline.prepare.split import split_rows
from pipeline.prepare.stage import run
from pipeline.servable import typed_rows
from tests.conftest import ROOT

SCHEMA = {
    "kind": "structured",
    "columns": [{"name": "size", "type": "numeric"}, {"name": "colour", "type": "categorical"}],
    "missing": ["", "NA"],
}


def typed(**columns):
    return typed_rows(pd.DataFrame(columns), SCHEMA)


def test_split_keeps_proportions_and_parts_do_not_overlap():
    classes = np.repeat([0, 1], [80, 20])
    rows = split_rows(np.arange(100), classes, Split(), seed=0)
    assert sorted(np.concatenate(rows)) == list(range(100))
    assert [int((classes[part] == 1).sum()) for part in rows] == [12, 4, 4]


def test_split_test_set_does_not_change_with_the_validation_fraction():
    one, two = (split_rows(np.arange(100), None, Split(validation=v), seed=0) for v in (0.1, 0.3))
    assert np.array_equal(one.test, two.test)
    assert not np.array_equal(one.test, split_rows(np.arange(100), None, Split(), seed=1).test)


def test_preprocessor_is_fitted_on_train_only_and_takes_the_unseen():
    preprocessor = fit_preprocessor(typed(size=["1", "3"], colour=["red", "blue"]), SCHEMA)
    features = preprocessor.transform(typed(size=["NA", "2"], colour=["green", ""]))
    assert np.isfinite(features).all()
    assert features[0].tolist() == [0.0, 0.0, 0.0, 0.0]  # the median and its rank, and a colour never seen


def test_preprocessor_of_numbers_or_of_categories_only_works():
    for kind, values in (("numeric", ["1", "2"]), ("categorical", ["a", "b"])):
        schema = {"columns": [{"name": "x", "type": kind}], "missing": []}
        rows = typed_rows(pd.DataFrame({"x": values}), schema)
        assert fit_preprocessor(rows, schema).transform(rows).shape[0] == 2


def test_save_preprocessor_gives_equal_bytes_and_loads_the_same(tmp_path):
    rows = typed(size=["1", "3", ""], colour=["red", "blue", ""])
    files = [tmp_path / "1.skops", tmp_path / "2.skops"]
    for file in files:
        save_preprocessor(fit_preprocessor(rows, SCHEMA), file)
    assert files[0].read_bytes() == files[1].read_bytes()
    loaded = skops.io.load(files[0], trusted=["numpy.dtype"])
    assert np.array_equal(loaded.transform(rows), fit_preprocessor(rows, SCHEMA).transform(rows))


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"path": str(ROOT / "data/breast_cancer.csv"), "task": "classification", "target": "diagnosis"}
    return lambda **top: run(check_params({"seed": 0, "data": settings} | top))


def test_prepare_writes_the_same_bytes_twice_and_others_for_another_seed(bundled):
    digests = []
    for seed in (0, 0, 1):
        bundled(seed=seed)
        digests.append(digest_tree(paths.PREPARED))
    assert digests[0] == digests[1] != digests[2]


def test_prepare_writes_float32_features_and_raw_test_rows(bundled):
    bundled()
    arrays = np.load(paths.ARRAYS)
    assert arrays["x_train"].dtype == np.float32
    assert np.allclose(arrays["x_train"].mean(axis=0), 0, atol=1e-5)
    assert set(arrays["y_train"]) == {0, 1}
    raw = pd.read_parquet(paths.TEST_ROWS)
    assert len(raw) == len(arrays["x_test"])
    assert raw["mean_radius"].map(type).eq(str).all()
    assert json.loads(paths.SCHEMA.read_text())["classes"] == ["benign", "malignant"]
