"""A table of bad inputs, each with the message that it gets, through the whole stage."""

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import DataError
from pipeline.params import check_params
from pipeline.prepare.stage import run

N = 40


def table(**columns):
    """Write a sound table with some columns replaced or added."""
    numbers = np.random.default_rng(0)
    sound = {
        "size": [f"{value:.3f}" for value in numbers.normal(size=N)],
        "colour": ["red", "blue"] * (N // 2),
        "label": ["yes", "no"] * (N // 2),
    }
    cells = sound | {name: values for name, values in columns.items() if values is not None}
    rows = [",".join(cells), *(",".join(map(str, row)) for row in zip(*cells.values(), strict=True))]
    return "\n".join(rows) + "\n"


def but(values, **changes):
    """Copy a list with some places changed, given as row_3='x'."""
    copy = list(values)
    for place, value in changes.items():
        copy[int(place.removeprefix("row_"))] = value
    return copy


NUMBERS = [f"{n / 7:.3f}" for n in range(N)]
LABELS = ["yes", "no"] * (N // 2)

BAD = [
    ("no such file", None, {}, r"table.csv cannot be read \(No such file"),
    ("empty file", "", {}, r"must start with a header line, but got an empty file"),
    ("header only", "a,label\n", {}, r"must have enough rows to split, but got 0"),
    ("too few rows", "a,label\n1,x\n2,y\n", {}, r"must have enough rows to split, but got 2"),
    ("ragged line", table() + "1,red,yes,4\n", {}, r"must have as many cells in every line as in its header"),
    ("column twice", "a,a,label\n" + "1,2,x\n" * 9, {}, r"column names must be distinct, but got 'a'"),
    ("wrong encoding", table(colour=["grün"] * N).encode("latin-1"), {}, r"must be encoded in UTF-8, but byte"),
    ("wrong kind", table(), {"path": "table.xlsx"}, r"must name a .csv, .tsv, .parquet or .npz file, but got 'table.xlsx'"),
    ("wrong delimiter", table().replace(",", ";"), {}, r"must be delimited by commas, .* has semicolons"),
    ("target misspelt", table(), {"target": "lable"}, r"names 'lable', .* Did you mean label\?"),
    ("ignore misspelt", table(), {"ignore": ["colur"]}, r"data.ignore names 'colur', .* Did you mean colour\?"),
    ("types misspelt", table(), {"types": {"sizes": "numeric"}}, r"data.types names 'sizes'"),
    ("all ignored", table(), {"ignore": ["size", "colour"]}, r"must have a column to predict from"),
    ("label missing", table(label=but(LABELS, row_3="", row_9="NA")), {},
     r"target 'label' must have a value in every row, but 2 have none \(line 5, 11\)"),
    ("one class", table(label=["yes"] * N), {}, r"must have at least two classes, but got \['yes'\]"),
    ("rare class", table(label=but(LABELS, row_0="maybe")), {},
     r"class 'maybe' of target 'label' must have at least 5 rows for a stratified split, but got 1"),
    ("number as classes", table(label=NUMBERS), {}, r"has 40 classes .* Then set data.task to regression"),
    ("constant number", table(size=["1.5"] * N), {}, r"'size' has the same value in every row \(1.5\). Add it to"),
    ("constant text", table(colour=["red"] * N), {}, r"'colour' has the same value in every row \('red'\)"),
    ("empty column", table(size=[""] * N), {}, r"column 'size' has no value in any row"),
    ("infinite", table(size=but(NUMBERS, row_2="inf")), {}, r"'size' must hold finite numbers, .* \(line 4\)"),
    ("text in number", table(size=but(NUMBERS, row_7="seven")), {},
     r"'size' holds numbers, but got text in 1 rows \(line 9: 'seven'\)"),
    ("declared numeric", table(), {"types": {"colour": "numeric"}}, r"column 'colour' must hold numbers, but got something else in 40 rows \(line 2, 3"),
    ("regression on text", table(), {"task": "regression"}, r"target 'label' must hold numbers, but got text in 40 rows"),
    ("regression constant", table(label=["2"] * N), {"task": "regression"}, r"the same value in every row"),
    ("regression infinite", table(label=but(NUMBERS, row_0="-inf")), {"task": "regression"},
     r"target 'label' must hold finite numbers"),
    ("regression missing", table(label=but(NUMBERS, row_0="")), {"task": "regression"},
     r"must have a value in every row, but 1 have none \(line 2\)"),
    ("two at once", table(size=[""] * N, colour=["red"] * N), {}, r"(?s)2 problems:.*'size'.*'colour'"),
]  # fmt: skip


def params(**data):
    settings = {"path": "table.csv", "task": "classification", "target": "label"} | data
    return check_params({"seed": 0, "data": settings})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("content", "data", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_prepare_of_bad_input_says_what_and_writes_nothing(tmp_path, content, data, message):
    if content is not None:
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / data.get("path", "table.csv")).write_bytes(content)
    with pytest.raises(DataError, match=message):
        run(params(**data))
    assert not paths.PREPARED.exists()


def test_prepare_points_out_row_numbers_and_ids(tmp_path, capsys):
    (tmp_path / "table.csv").write_text(
        table(row=range(1, N + 1), name=[f"n{i}" for i in range(N)], size=NUMBERS)
    )
    run(params())
    noted = capsys.readouterr().err
    assert "column 'row' has another value in every row" in noted
    assert "column 'name' has another value in every row" in noted
    assert "'size'" not in noted


def test_prepare_takes_declared_missing_texts(tmp_path):
    (tmp_path / "table.csv").write_text(table(size=but(NUMBERS, row_3="unknown")))
    run(params(missing=["unknown"]))
    assert paths.ARRAYS.exists()
