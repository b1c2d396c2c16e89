"""`init`: what it assumes, and that its params are sound."""

import shutil

import pandas as pd
import pytest
import yaml

from pipeline.__main__ import main
from pipeline.errors import DataError
from pipeline.params import read_params
from pipeline.prepare.infer.dataset import infer
from tests.conftest import ROOT
from tests.prepare.test_bad_inputs import CODES, PIXELS, image_folder, image_table, npz, texts, train_and_test

N = 40


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(folder, **columns):
    pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)


def values(path, target=None, test=None):
    found = infer(path, target, test).values
    return {key.removeprefix("data."): value for key, value in found.items()}


def test_init_of_a_table_tells_ids_gaps_and_free_text(folder):
    table(
        folder,
        row=range(N),
        name=[f"somebody called number {n} here" for n in range(N)],
        constant=["x"] * N,
        deck=["A", "unknown", "B", "C"] * (N // 4),
        size=[n / 7 for n in range(N)],
        fare=[n % 13 + 0.5 for n in range(N)],
    )
    assert values(folder / "t.csv", "deck") == {
        "path": "t.csv", "target": "deck", "task": "classification", "kind": "structured",
        "ignore": ["row", "name", "constant"],
    }  # fmt: skip
    found = values(folder / "t.csv", "size")
    assert found["task"] == "regression"
    assert found["missing"][-1] == "unknown"


def test_init_of_whole_numbers_tells_classes_from_counts(folder):
    table(folder, few=[n % 3 for n in range(N)], many=range(0, 2 * N, 2), size=[n / 7 for n in range(N)])
    assert values(folder / "t.csv", "few")["task"] == "classification"
    assert values(folder / "t.csv", "many")["task"] == "regression"


def test_init_of_texts_images_and_arrays(folder):
    texts(folder)
    assert values(folder / "texts.csv", "label") == {
        "path": "texts.csv", "target": "label", "task": "classification", "kind": "text", "column": "text",
        "text_length": 10,
    }  # fmt: skip
    image_folder(folder)
    assert values(folder / "images") == {
        "path": "images", "kind": "image", "task": "classification", "target": None, "image_size": [6, 6],
        "channels": 1,
    }  # fmt: skip
    npz(folder, x=PIXELS, y=CODES)
    assert values(folder / "data.npz")["image_size"] == [6, 6]
    npz(folder, x=PIXELS.reshape(N, 36), y=PIXELS.mean(axis=(1, 2)))
    assert values(folder / "data.npz")["task"] == "regression"


def test_init_of_a_table_of_images_and_of_separate_test_rows(folder):
    image_table(folder)
    found = values(folder / "images", "label")
    assert (found["kind"], found["train"], found["column"]) == ("image", "table.csv", "file")
    train_and_test(folder, size=[0.5], label=["yes"])
    for found in (
        values(folder / "parts", "label"),
        values(folder / "parts" / "train.csv", "label", folder / "parts" / "test.csv"),
    ):
        assert (found["path"], found["train"], found["test"]) == ("parts", "train.csv", "test.csv")


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("none.csv", "x", r"none.csv cannot be read"),
        ("t.csv", None, r"--target must name the column to predict, but got None. Known are: a, b"),
        ("t.csv", "c", r"--target must name the column to predict, but got 'c'"),
        ("empty", None, r"must hold sub-folders of images, or one table, but got neither"),
        ("t.txt", "a", r"t.txt must be a .csv, .tsv, .parquet or .npz file, or a folder"),
    ],
)
def test_init_of_what_it_cannot_read_says_so(folder, name, target, message):
    table(folder, a=[1, 2], b=[3, 4])
    shutil.copyfile(folder / "t.csv", folder / "t.txt")
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        infer(folder / name, target, None)


def test_init_writes_commented_params_once_and_says_what_it_assumed(folder, capsys):
    texts(folder)
    assert main(["init", "texts.csv", "--target", "label"]) == 0
    assert "data.kind: text (column 'text' holds sentences)" in capsys.readouterr().out
    params = read_params(folder / "params.yaml")
    assert (params.data.kind, params.data.column, params.search.max_trials) == ("text", "text", 10)
    written = (folder / "params.yaml").read_text()
    assert written.count("#") == (ROOT / "params.yaml").read_text().count("#")
    assert main(["init", "texts.csv", "--target", "text"]) == 1
    assert "params.yaml exists and is not written over. Add --force" in capsys.readouterr().err
    assert (folder / "params.yaml").read_text() == written
    assert main(["init", "texts.csv", "--target", "label", "--output", "mine.yaml"]) == 0
    assert main(["init", "texts.csv", "--target", "label", "--force"]) == 0


def test_the_template_is_the_params_file_of_the_project():
    assert (ROOT / "pipeline" / "template.yaml").read_text() == (ROOT / "params.yaml").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_name_every_task(path):
    data = yaml.safe_load(path.read_text())["data"]
    kind = {"structured": "table"}.get(data.get("kind", "structured"), data.get("kind"))
    assert path.stem.startswith(f"{kind}_{data['task']}")
