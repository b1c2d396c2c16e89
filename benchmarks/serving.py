"""`python -m benchmarks.serving`: a plain `model.predict` server against Encore's, by Keras and by ONNX.

All three are `mlflow models serve` on this machine, one after the other, with the same network and
preprocessing. Cold start is from the command to the first answer; memory is the server's resident set
after all requests; latency is one client asking for one row at a time; throughput is 1,000 such requests
by eight clients.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from benchmarks.search import breast_cancer, prepare_files, set_params

_PORT = 5999
_WARM_UP, _LATENCIES, _REQUESTS, _CLIENTS = 20, 200, 1000, 8

PLAIN = """
import sys
import keras, mlflow

class Plain(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        folder = context.artifacts["model"]
        sys.path.insert(0, folder)
        import servable
        self.rows = servable.load(folder)
        self.network = keras.models.load_model(folder + "/network.keras")

    def predict(self, context, model_input, params=None):
        return self.network.predict(self.rows.features(model_input), verbose=0)

mlflow.models.set_model(Plain())
"""

SAVE = """
import mlflow, sys
mlflow.pyfunc.save_model(sys.argv[1], python_model=sys.argv[2], artifacts={"model": "exported/model"},
                         pip_requirements=["mlflow"])
"""


def main() -> None:
    """Measure the three servers and print what they cost."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, formats in (("Keras", "[keras]"), ("ONNX", "[keras, onnx]")):
            folder = Path(scratch, name)
            folder.mkdir()
            prepare_files(folder)
            set_params(folder, breast_cancer(folder) | {"search.max_trials": 2, "export.formats": formats})
            for stage in ("prepare", "search", "export"):
                _run(folder, "-m", "pipeline", stage)
            servers = {name: "exported/model/pyfunc.py"}
            if name == "Keras":
                (folder / "plain.py").write_text(PLAIN, encoding="utf-8")
                servers = {"plain model.predict": "plain.py"} | servers
            for server, code in servers.items():
                saved = folder / f"saved-{len(found)}"
                _run(folder, "-c", SAVE, str(saved), code)
                found[server] = measure(saved, folder)
    base = found["plain model.predict"]
    for server, costs in found.items():
        print(
            f"{server:<20} cold start {costs['start']:5.1f} s   memory {costs['memory'] / 1e6:5.0f} MB   "
            f"one row: p50 {1000 * costs['p50']:6.1f} ms, p99 {1000 * costs['p99']:6.1f} ms, "
            f"{base['p50'] / costs['p50']:4.1f} times as fast   "
            f"{_REQUESTS} requests of {_CLIENTS} clients: {costs['many']:5.1f} s"
        )


def measure(model: Path, folder: Path) -> dict[str, float]:
    """Start a server, ask it, end it."""
    example = json.loads((folder / "exported/model/input_example.json").read_text(encoding="utf-8"))
    row = {"columns": example["columns"], "data": example["data"][:1]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{_PORT}/invocations",
        json.dumps({"dataframe_split": row}).encode(),
        {"Content-Type": "application/json"},
    )

    def ask(_: int = 0) -> float:
        started = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
        return time.perf_counter() - started

    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model)]
    command += ["--env-manager", "local", "-p", str(_PORT)]
    clock = time.perf_counter()
    # MLflow looks for uvicorn on the path, activated environment or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=os.environ | {"PATH": path}, **quiet) as server:
        try:
            _wait(ask, server)
            start = time.perf_counter() - clock
            for _ in range(_WARM_UP):
                ask()
            taken = sorted(ask() for _ in range(_LATENCIES))
            clock = time.perf_counter()
            with ThreadPoolExecutor(_CLIENTS) as clients:
                list(clients.map(ask, range(_REQUESTS)))
            many = time.perf_counter() - clock
            processes = psutil.Process(server.pid).children(recursive=True)
            memory = max(process.memory_info().rss for process in processes)
        finally:
            if server.poll() is None:
                for process in psutil.Process(server.pid).children(recursive=True):
                    process.kill()
                server.kill()
    p99 = taken[int(0.99 * len(taken))]
    return {
        "start": start, "memory": memory, "p50": statistics.median(taken), "p99": p99, "many": many,
    }  # fmt: skip


def _wait(ask: Callable[[], float], server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            ask()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server ended before it answered")


def _run(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=folder, check=True, capture_output=True)


if __name__ == "__main__":
    main()
