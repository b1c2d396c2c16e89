import json
import math

import pytest

from pipeline.errors import MissingError
from pipeline.files import (
    in_order_of_mention,
    read_json,
    read_zip,
    rename_values,
    write_json,
    write_whole,
    write_zip,
)


def test_write_json_is_sorted_and_keeps_non_finite_numbers_as_text(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": math.inf, "a": [math.nan, 0.1]})
    assert path.read_text() == '{\n  "a": [\n    "nan",\n    0.1\n  ],\n  "b": "inf"\n}\n'
    assert float(json.loads(path.read_text())["b"]) == math.inf


def test_write_whole_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_zip_depends_on_its_members_only(tmp_path):
    one, two = tmp_path / "1.zip", tmp_path / "2.zip"
    write_zip(one, [("b", b"2"), ("a", b"1")])
    write_zip(two, [("a", b"1"), ("b", b"2")])
    assert one.read_bytes() == two.read_bytes()
    assert read_zip(one) == {"a": b"1", "b": b"2"}


def test_read_json_that_is_missing_names_the_stage_to_run(tmp_path):
    with pytest.raises(
        MissingError, match=r"none.json is missing; the stage 'search' writes it. Run `dvc repro search`"
    ):
        read_json(tmp_path / "none.json", made_by="search")


def test_rename_values_numbers_addresses_in_order_of_mention():
    node = {"x": [{"id": 99}, {"id": 7, "y": {"id": 99}}], "id": None}
    renamed = rename_values(node, "id", in_order_of_mention(lambda n, _: n))
    assert renamed == {"x": [{"id": 0}, {"id": 1, "y": {"id": 0}}], "id": None}
