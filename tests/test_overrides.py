import shutil

import pytest

from pipeline import overrides
from pipeline.errors import ParamsError
from pipeline.params import read_params
from tests.conftest import ROOT


@pytest.fixture
def target(tmp_path):
    return shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")


def test_overrides_change_values_and_keep_every_comment(target):
    before = target.read_text()
    changes = overrides.apply(None, {"search.max_trials": "20", "seed": "3"}, target)
    assert changes == ["seed: 0 → 3", "search.max_trials: 10 → 20"]
    changed = [a for a, b in zip(target.read_text().splitlines(), before.splitlines(), strict=True) if a != b]
    assert changed == ["seed: 3", "  max_trials: 20"]


def test_overrides_read_values_as_params_yaml_would(target):
    overrides.apply(None, {"data.ignore": "[a, b]", "search.refit": "false", "split.test": "1e-1"}, target)
    params = read_params(target)
    assert (params.data.ignore, params.search.refit, params.split.test) == (["a", "b"], False, 0.1)


def test_overrides_keep_small_numbers_numbers_wherever_they_stand(target):
    """PyYAML reads 1e-05 as text, which is how a float of that size is written."""
    overrides.apply(None, {"search.space": "{learning_rate: [0.00001, 1e-3]}"}, target)
    assert read_params(target).search.space == {"learning_rate": [1e-05, 0.001]}
    overrides.apply(None, {"search.space": "{learning_rate: 2e-05}"}, target)
    assert read_params(target).search.space == {"learning_rate": 2e-05}


def test_overrides_of_another_file_take_its_values_and_defaults_and_keep_the_comments(target, tmp_path):
    source = tmp_path / "mine.yaml"
    source.write_text("seed: 7\ndata: {path: a.csv, task: regression, target: y}\n")
    overrides.apply(None, {"search.max_trials": "99"}, target)
    changes = overrides.apply(source, {"split.test": "0.3"}, target)
    assert changes == [
        "seed: 0 → 7",
        "data.path: data/breast_cancer.csv → a.csv",
        "data.task: classification → regression",
        "data.target: diagnosis → y",
        "split.test: 0.2 → 0.3",
        "search.max_trials: 99 → 10",
    ]
    original = [
        line for line in (ROOT / "params.yaml").read_text().splitlines() if line.strip().startswith("#")
    ]
    assert [line for line in target.read_text().splitlines() if line.strip().startswith("#")] == original
    assert read_params(target).search.max_trials == 10


def test_overrides_of_a_file_that_is_not_there_name_it(target, tmp_path):
    with pytest.raises(ParamsError, match=r"none\.yaml cannot be read"):
        overrides.apply(tmp_path / "none.yaml", {}, target)


def test_overrides_that_break_a_rule_write_nothing(target):
    before = target.read_bytes()
    with pytest.raises(ParamsError, match="max_trials must be at least 1"):
        overrides.apply(None, {"search.max_trials": "0"}, target)
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--search.max_trails", "3"],
            r"search.max_trails is not a known key. Did you mean search.max_trials\?",
        ),
        (["--seed"], "--seed must be followed by its value"),
        (["seed", "3"], "an override must look like --search.max_trials 20, but got 'seed'"),
    ],
)
def test_overrides_that_are_misspelt_are_refused(words, message):
    with pytest.raises(ParamsError, match=message):
        overrides.parse(words)


def test_overrides_take_both_spellings_of_a_pair():
    assert overrides.parse(["--seed=1", "--search.epochs", "5"]) == {"seed": "1", "search.epochs": "5"}
