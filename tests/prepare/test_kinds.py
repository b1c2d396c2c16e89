"""What prepare makes of sound data of every kind."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.digests import digest_tree
from pipeline.params import Split, check_params
from pipeline.prepare.look import look_at
from pipeline.prepare.sources.delimited import Delimited
from pipeline.prepare.sources.opening import open_dataset
from pipeline.prepare.split import sample_rows, split_rows
from pipeline.prepare.stage import run
from pipeline.servable.features import load_features
from tests.prepare.test_bad_inputs import (
    CODES,
    IMAGES,
    LABELS,
    NPZ_IMAGES,
    PIXELS,
    TABLE,
    TABLE_OF_IMAGES,
    TEXT,
    TEXTS,
    csv_file,
    image_folder,
    image_table,
    npz,
    parquet,
    texts,
    train_and_test,
)

N = 40


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params(data, **others):
    return check_params({"seed": 0, "data": {"task": "classification"} | data} | others)


def arrays():
    with np.load(paths.ARRAYS) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize(
    ("make", "data", "dtype", "shape"),
    [
        (csv_file, TABLE, np.float32, (2,)),
        (parquet, TABLE | {"path": "table.parquet"}, np.float32, (2,)),
        (lambda f: npz(f, x=PIXELS.reshape(N, 36), y=CODES), {"path": "data.npz"}, np.float32, (72,)),
        (image_folder, IMAGES, np.uint8, (6, 6, 1)),
        (image_folder, IMAGES | {"image_size": [4, 5], "channels": 3}, np.uint8, (4, 5, 3)),
        (image_table, TABLE_OF_IMAGES, np.uint8, (6, 6, 1)),
        (lambda f: npz(f, x=PIXELS, y=CODES), NPZ_IMAGES, np.uint8, (6, 6, 1)),
        (texts, TEXT | {"text_length": 9}, np.int32, (9,)),
    ],
    ids=["csv", "parquet", "npz", "images", "resized", "image table", "image npz", "text"],
)
def test_prepare_fills_arrays_that_the_served_model_would_compute_from_the_raw_test_rows(
    folder, make, data, dtype, shape
):
    make(folder)
    digests = set()
    for _ in range(2):
        run(params(data))
        digests.add(digest_tree(paths.PREPARED))
    assert len(digests) == 1
    found = arrays()
    assert (found["x_train"].dtype, found["x_train"].shape[1:]) == (dtype, shape)
    assert [len(found[f"x_{part}"]) for part in ("train", "validation", "test")] == [24, 8, 8]
    schema = json.loads(paths.SCHEMA.read_text())
    served = load_features(schema, paths.PREPROCESSOR).transform(pd.read_parquet(paths.TEST_ROWS))
    assert np.array_equal(served, found["x_test"])


def test_images_keep_their_pixels(folder):
    npz(folder, x=PIXELS, y=CODES)
    run(params(NPZ_IMAGES))
    rows = np.load(paths.SPLIT)["rows_train"]
    assert np.array_equal(arrays()["x_train"][..., 0], PIXELS[rows])
    assert np.array_equal(arrays()["y_train"], CODES[rows])


def test_the_vocabulary_is_learned_on_train_only_most_frequent_first(folder):
    texts(folder)
    run(params(TEXT | {"vocabulary_size": 12}))
    vocabulary = json.loads(paths.SCHEMA.read_text())["vocabulary"]
    assert vocabulary[:6] == ["a", "in", "it", "message", "number", "with"]
    assert len(vocabulary) == 12
    in_test = {str(row) for row in np.load(paths.SPLIT)["rows_test"]}
    assert not in_test & set(vocabulary)
    assert (arrays()["x_test"] == 1).any()  # a number that train does not hold


def test_rows_of_chunks_fit_together(folder, monkeypatch):
    """Small chunks give what one chunk gives."""
    csv_file(folder, day=[f"2026-01-{1 + n % 28:02d}" for n in range(N)], colour=["red", "blue"] * (N // 2))
    digests = set()
    for size in (1000, 7):
        monkeypatch.setattr("pipeline.prepare.sources.delimited._CHUNK", size)
        assert len(list(Delimited(folder / "table.csv").chunks())) == -(-N // size)
        run(params(TABLE))
        digests.add(
            json.dumps([json.loads(paths.PREPARED_DIGESTS.read_text()), paths.DATA_REPORT.read_text()])
        )
    assert len(digests) == 1


def test_dates_become_features_that_a_model_can_use(folder):
    days = [f"2026-{1 + n % 12:02d}-{1 + n % 28:02d}" for n in range(N)]
    csv_file(folder, day=[*days[:-1], ""])
    run(params(TABLE))
    schema = json.loads(paths.SCHEMA.read_text())
    assert {"name": "day", "type": "date"} in schema["columns"]
    assert {"day (days)", "rank of day (days)", "day (month)"} <= set(schema["features"])
    parquet(folder, day=pd.to_datetime([*days[:-1], None]))
    csv_features = arrays()["x_train"]
    run(params(TABLE | {"path": "table.parquet"}))
    assert np.array_equal(arrays()["x_train"], csv_features)


def test_a_test_file_of_its_own_is_the_test_set(folder):
    train_and_test(folder, size=[0.5, 0.7, 0.9], label=["yes", "no", "yes"])
    run(params({"path": "parts", "train": "train.csv", "test": "test.csv", "target": "label"}))
    found = arrays()
    assert [len(found[f"y_{part}"]) for part in ("train", "validation", "test")] == [32, 8, 3]
    assert found["y_test"].tolist() == [1, 0, 1]


def test_no_group_is_on_two_sides(folder):
    csv_file(folder, shop=[f"s{n % 9}" for n in range(N)])
    run(params(TABLE, split={"group": "shop"}))
    split = np.load(paths.SPLIT)
    groups = [set(split[f"rows_{part}"] % 9) for part in ("train", "validation", "test")]
    assert not (groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2])
    assert [column["name"] for column in json.loads(paths.SCHEMA.read_text())["columns"]] == ["size"]


@pytest.mark.parametrize("days", [[f"20{60 - n}-01-01" for n in range(N)], [N - n for n in range(N)]])
def test_the_latest_rows_are_the_test_set(folder, days):
    csv_file(folder, day=days)
    run(params(TABLE, split={"time": "day"}))
    split = np.load(paths.SPLIT)
    assert [split[f"rows_{part}"].tolist() for part in ("test", "validation")] == [
        list(range(8)),
        list(range(8, 16)),
    ]


def test_sample_keeps_proportions_and_another_seed_draws_others():
    classes = np.repeat([0, 1, 2], [100, 50, 1])
    drawn = sample_rows(classes, 151, 0.1, seed=0)
    assert np.bincount(classes[drawn]).tolist() == [10, 5, 1]
    assert (
        drawn.tolist()
        == sample_rows(classes, 151, 0.1, seed=0).tolist()
        != sample_rows(classes, 151, 0.1, 1).tolist()
    )


def test_a_sample_is_split_and_recorded(folder):
    csv_file(folder)
    whole, half = {}, {}
    for digests, data in ((whole, TABLE), (half, TABLE | {"sample": 0.5})):
        run(params(data))
        digests |= json.loads(paths.PREPARED_DIGESTS.read_text())
    assert half["rows"] == {"train": 12, "validation": 4, "test": 4}
    assert (half["data"] == whole["data"], half["split"] == whole["split"]) == (True, False)


def test_split_by_group_is_the_same_twice():
    order = np.array([f"g{n % 7}" for n in range(70)], dtype=object)
    rows = [split_rows(np.arange(70), None, Split(group="g"), seed=0, order=order) for _ in range(2)]
    assert all(np.array_equal(one, two) for one, two in zip(*rows, strict=True))


def test_report_tells_of_copies_and_of_the_target_in_a_feature(folder, capsys):
    csv_file(folder, size=[1.5, 2.5] * (N // 2), copy=LABELS)
    run(params(TABLE))
    said = capsys.readouterr().err
    assert "column 'copy' holds the target in every row" in said
    assert "8 of 8 test rows are also in train or validation, cell by cell" in said
    report = json.loads(paths.DATA_REPORT.read_text())
    assert report["test_rows_also_in_train"] == 8
    assert report["target"]["classes"]["yes"] == {"train": 12, "validation": 4, "test": 4}
    text = paths.DATA_REPORT_TEXT.read_text()
    assert "| size | numeric | 0 | 1.5 to 2.5, mean 2 |" in text
    assert "| copy | categorical | 0 | 2 distinct: no (20), yes (20) |" in text


def test_mixed_columns_and_many_categories_are_noted(folder, capsys):
    csv_file(folder, mixed=[n if n % 2 else f"t{n % 8}" for n in range(N)])
    run(params(TABLE))
    assert (
        "column 'mixed' mixes 20 numbers and 20 texts (line 2, 4, 6, 8, 10, …: 't0', 't2'"
        in capsys.readouterr().err
    )


def test_looking_holds_labels_and_hashes_but_no_rows(folder):
    csv_file(folder)
    settings = params(TABLE)
    look = look_at(open_dataset(settings.data), settings)
    held = [look.labels, look.row_hashes, look.feature_hashes]
    assert {array.dtype.itemsize for arrays_ in held for array in arrays_} == {8}
    assert TEXTS  # the other kinds are looked at by the same code


def test_a_long_reading_says_how_far_it_is(folder, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.prepare.progress._SECONDS", 0.0)
    monkeypatch.setattr("pipeline.prepare.sources.delimited._CHUNK", 10)
    csv_file(folder)
    run(params(TABLE))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "prepare: 10 rows read, pass 1"
    assert said[6].startswith("prepare: 30 rows read, pass 2 (75%, about ")
