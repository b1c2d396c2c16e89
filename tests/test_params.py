import itertools

import pytest
import yaml

from pipeline.errors import ParamsError
from pipeline.params import Params, check_params, flat, known_keys, read_params
from tests.conftest import ROOT

DATA = {"path": "data/table.csv", "task": "classification", "target": "label"}


def test_params_of_the_repository_are_sound():
    assert read_params(ROOT / "params.yaml").seed == 0


def test_params_file_names_every_key_with_a_comment_above_it():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    keys = set(flat(read_params(ROOT / "params.yaml")))
    assert keys == set(known_keys())
    uncommented = [
        line
        for before, line in itertools.pairwise(lines)
        if line.startswith("  ") and ":" in line and not line.strip().startswith("#")
        if not before.strip().startswith("#")
    ]
    assert uncommented == []


def test_params_defaults_of_the_models_are_those_of_the_file():
    file = yaml.safe_load((ROOT / "params.yaml").read_text())
    bare = check_params({"seed": file["seed"], "data": {k: file["data"][k] for k in DATA}})
    assert flat(bare) == flat(Params.model_validate(file))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, r"seed must be at least 0, but got -1. Set it to any integer from 0 up"),
        ({"seed": True}, r"seed must be an integer, but got True"),
        ({"seed": 1.5}, r"seed must be an integer, but got 1.5"),
        ({"sead": 1}, r"sead is not a known key. Did you mean seed\?"),
        (
            {"search": {"max_trails": 3}},
            r"search.max_trails is not a known key. Did you mean search.max_trials\?",
        ),
        ({"search": {"max_trials": 0}}, r"search.max_trials must be at least 1, but got 0"),
        ({"search": {"max_trials": "3"}}, r"search.max_trials must be an integer, but got '3'"),
        (
            {"search": {"tuner": "grid"}},
            r"search.tuner must be 'greedy', 'random', 'bayesian' or 'hyperband'",
        ),
        (
            {"search": {"refit": "yes"}},
            r"search.refit must be a boolean, but got 'yes'. Set it to true or false",
        ),
        (
            {"search": {"objective": "val_mean_squared_error"}},
            r"search.objective cannot be .* Set it to val_loss",
        ),
        ({"split": {"test": 1.0}}, r"split.test must be less than 1, but got 1.0"),
        ({"split": {"test": 0.5, "validation": 0.5}}, r"must leave rows to train on .* but got 0.5 \+ 0.5"),
        ({"data": DATA | {"task": "clustering"}}, r"data.task must be 'classification' or 'regression'"),
        ({"data": DATA | {"ignore": ["label"]}}, r"data.ignore must not hold the target, but got 'label'"),
        (
            {"data": {"path": "x", "task": "regression"}},
            r"data.target is missing. Set it to the column to predict",
        ),
        ({"data": {"path": "x"}}, r"data.task is missing. Set it to one of classification, regression"),
        ({"determinism": {"level": "total"}}, r"determinism.level must be 'strict', 'portable' or 'fast'"),
        ({"cleanup": None}, r"cleanup must be"),
    ],
)
def test_params_that_break_a_rule_say_key_rule_and_value(change, message):
    with pytest.raises(ParamsError, match=message):
        check_params({"seed": 0, "data": DATA} | change)


def test_params_with_several_problems_name_all_of_them():
    with pytest.raises(ParamsError, match=r"(?s)3 problems:.*seed.*split.test.*search.epoch"):
        check_params({"seed": "a", "data": DATA, "split": {"test": 2}, "search": {"epoch": 1}})


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "must be YAML"), ("- 1", "must hold keys"), ("", "must hold")]
)
def test_params_file_that_is_no_mapping_is_refused(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=message):
        read_params(path)


def test_params_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ParamsError, match="cannot be read"):
        read_params(tmp_path / "none.yaml")


def test_params_file_without_a_section_that_dvc_watches_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("seed: 0\ndata: {path: a.csv, task: regression, target: y}\n")
    with pytest.raises(ParamsError, match=r"must have every section, .* but split, search, .* are missing"):
        read_params(path)
