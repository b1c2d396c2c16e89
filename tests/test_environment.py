import json

import pytest

from pipeline.environment import full_environment, mask, numeric_environment
from pipeline.params import Determinism
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql+psycopg2://me:secret@db/mlflow", "postgresql+psycopg2://***@db/mlflow"),
        ("see http://token@host/x and s3://b/k", "see http://***@host/x and s3://b/k"),
        ("https://h/p?token=abc&n=1", "https://h/p?token=***&n=1"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_mask_hides_credentials_in_urls(text, masked):
    assert mask(text) == masked


def test_full_environment_records_allowed_variables_only(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:do-not-leak@host")
    recorded = full_environment(Determinism())
    assert "do-not-leak" not in json.dumps(recorded)
    assert recorded["variables"]["MLFLOW_TRACKING_URI"] == "http://***@host"
    assert recorded["lock_digest"]
    assert recorded["packages"]["tensorflow"] == recorded["numeric"]["packages"]["tensorflow"]


def test_numeric_environment_changes_with_threads_and_level_only_by_params(monkeypatch):
    monkeypatch.setenv("ENCORE_WORKERS", "7")
    one = numeric_environment(Determinism())
    monkeypatch.setenv("ENCORE_WORKERS", "2")
    assert numeric_environment(Determinism()) == one
    assert numeric_environment(Determinism(threads=2)) != one
    assert numeric_environment(Determinism(level="portable")) != one
