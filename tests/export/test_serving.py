"""The served model: a real server, the registry, and every snippet of docs/serving.md."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/serving.md").read_text()


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def post(served):
    """Start `mlflow models serve` for the newest model; give a function that asks it."""
    uri = served.pipeline("model-uri").stdout.strip()
    port = free_port()
    log = (served.folder / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local", "-p", str(port)],
        cwd=served.folder,
        env=served.environment(MLFLOW_TRACKING_URI=f"sqlite:///{served.folder}/mlflow.db"),
        stdout=log,
        stderr=log,
    )  # fmt: skip

    def ask(body, content_type="application/json"):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body.encode(), {"Content-Type": content_type}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
            break
        except OSError:
            assert server.poll() is None, (served.folder / "server.log").read_text()
            time.sleep(0.2)
    yield ask
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def rows(served):
    return pd.read_csv(served.folder / "data/breast_cancer.csv").drop(columns="diagnosis")


def records(rows):
    return json.dumps({"dataframe_records": json.loads(rows.to_json(orient="records"))})


def test_server_answers_json_and_csv_with_the_live_predictions(post, served, rows):
    numbers = np.load(served.folder / "prepared/split.npz")["rows_test"]
    live = np.load(served.folder / "searched/test_predictions.npy")[:, 0]
    test = rows.iloc[numbers]
    for body, kind in ((records(test), "application/json"), (test.to_csv(index=False), "text/csv")):
        status, answer = post(body, kind)
        assert status == 200
        got = [row["probability_malignant"] for row in answer["predictions"]]
        assert np.allclose(got, live, atol=1e-5)
        assert {row["prediction"] for row in answer["predictions"]} == {"benign", "malignant"}


def test_server_takes_columns_in_any_order_missing_ones_and_whole_numbers(post, rows):
    whole = rows.head(3).assign(mean_area=[1000, 900, 800])[list(rows.columns[::-1])]
    same = whole.assign(mean_area=[1000.0, 900.0, 800.0])[list(rows.columns)]
    assert post(records(whole)) == post(records(same))
    gaps = '{"dataframe_records": [{"mean_radius": 12, "mean_area": null}, {"worst_area": 500.5}]}'
    status, answer = post(gaps)
    assert (status, len(answer["predictions"])) == (200, 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"dataframe_records": [{"mean_radius": "wide"}]}', "mean_radius"),
        ('{"dataframe_records": [{"unknown": 1}]}', "mean_radius"),
        ('{"dataframe_records": [{"mean_radius"', "JSON"),
    ],
)
def test_server_answers_what_it_cannot_read_with_400_and_the_columns_name(post, body, said):
    status, answer = post(body)
    assert status == 400
    assert said in answer["message"]


def test_server_answers_a_thousand_requests_of_eight_clients(post, rows):
    expected = {n: post(records(rows.iloc[[n]]))[1] for n in range(20)}

    def ask(n):
        return post(records(rows.iloc[[n % 20]])) == (200, expected[n % 20])

    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(ask, range(1000)))


REGISTRY = """
import sys, mlflow
client = mlflow.MlflowClient()
for alias in ("candidate", "champion"):
    version = client.get_model_version_by_alias("cancer", alias)
    print(alias, version.version, version.run_id, version.tags["encore.digest.weights"])
"""


def test_registry_has_the_candidate_and_a_champion_only_by_promotion(served):
    latest = served.pipeline("promote", "latest").stdout
    assert "cancer version 1 is now the champion" in latest
    assert "the champion already" in served.pipeline("promote", "latest").stdout
    first = served.json("searched/search.json")["digests"]["weights"]

    # A worse one: a single trial of a single epoch at a useless learning rate.
    words = [
        "--search.max_trials",
        "1",
        "--search.epochs",
        "1",
        "--search.space",
        "{learning_rate: [0.00001]}",
    ]
    served.pipeline("run", *words, "--export.formats", "[keras]", "--export.int8", "false")
    said = served.python("-W", "ignore", "-c", REGISTRY).stdout.splitlines()
    assert said[0].startswith("candidate 2 ")
    assert said[1].startswith("champion 1 ")
    assert said[1].endswith(first)
    refused = served.pipeline("promote", "latest", check=False)
    assert refused.returncode == 1
    assert re.search(
        r"not made the champion of cancer: test\.accuracy is 0\.\d+, but 0\.\d+ for version 1", refused.stderr
    )
    # Another split: other test rows, nothing to compare.
    served.pipeline("run", *words, "--seed", "5")
    refused = served.pipeline("promote", "latest", check=False)
    assert "is not that of version 1" in refused.stderr
    anyway = served.pipeline("promote", "latest", "--anyway").stdout
    assert "version 3 is now the champion, in place of version 1 (anyway: its test set" in anyway
    # Published again, nothing doubles.
    served.pipeline("publish")
    assert served.python("-W", "ignore", "-c", REGISTRY).stdout.splitlines()[0].startswith("candidate 3 ")


def test_promote_of_a_run_without_a_registered_model_is_refused(finished):
    result = finished.pipeline("promote", "latest", check=False)
    assert "has no registered model" in result.stderr
    assert finished.pipeline("model-uri").stdout.startswith("models:/m-")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def documented(new_project):
    """A project as the page has it: its params, its paths."""
    project = new_project("documented")
    (settings,) = blocks("yaml")
    assert settings == "export:\n  formats: [keras, onnx, litert, savedmodel]\n  int8: true\n"
    project.pipeline(
        "run", "--export.formats", "[keras, onnx, litert, savedmodel]", "--export.int8", "true",
        "--export.register_as", "encore",
    )  # fmt: skip
    return project


def test_page_python_snippets_run_one_after_the_other(documented):
    found = blocks("python")
    assert len(found) == 5
    said = documented.python("-B", "-c", "\n".join(found)).stdout
    assert "['mean_radius', 'mean_texture'] ['benign', 'malignant']" in said


@pytest.mark.parametrize("snippet", blocks("bash"), ids=lambda text: text.split()[0] + text.split()[2])
def test_page_command_runs(documented, snippet):
    snippet = snippet.replace("5001", str(free_port()))
    documented.run("bash", "-euo", "pipefail", "-c", snippet)


def test_page_lists_all_that_is_exported(documented):
    exported = documented.folder / "exported"
    for path in exported.rglob("*"):
        name = path.relative_to(exported).as_posix()
        if path.is_file() and not name.startswith(("model/servable/", "savedmodel/")):
            assert f"| `{name}` |" in PAGE, name
