"""Identical reruns on a tracking server with PostgreSQL behind it."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("initdb") is None, reason="PostgreSQL is not installed (Debian: postgresql)"
    ),
]


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL of its own; it refuses to be run by root, whose temporary folders others cannot enter."""
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="encore-postgres-") as folder:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        port = free_port()
        data = f"{folder}/data"
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        _as(user, folder, "initdb", "-D", data, "-U", "encore", "--auth=trust")
        _as(user, folder, "pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        yield f"postgresql+psycopg2://encore@127.0.0.1:{port}/postgres"
        _as(user, folder, "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _as(user, folder, *command):
    result = subprocess.run(command, user=user, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--port", str(port)]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    environment = os.environ | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5)
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)
    yield address
    process.terminate()
    process.wait()


def test_identical_reruns_on_postgresql_compare_as_identical(server, new_project):
    runs = []
    for name in ("one", "two"):
        project = new_project(f"postgres-{name}")
        said = project.pipeline("run", MLFLOW_TRACKING_URI=server).stdout
        runs += [line.split()[-1] for line in said.splitlines() if line.startswith("MLflow run:")]
    result = project.pipeline("compare", *runs, MLFLOW_TRACKING_URI=server)
    assert result.stdout.startswith("identical: every digest is the same")
    verified = project.pipeline("verify", runs[0], "--trials", "1", MLFLOW_TRACKING_URI=server)
    assert "verified: " in verified.stdout
