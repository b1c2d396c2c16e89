"""Fixtures: real copies of this project, run by real processes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
# The smallest search that still has an order of proposals to get wrong.
SMALL = {"search.max_trials": 3, "search.epochs": 3}
# What tests must not inherit from the shell that started them.
_FOREIGN = ("MLFLOW_", "ENCORE_", "DVC_", "TF_", "PYTEST_", "GIT_")


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder of its own."""

    folder: Path

    def python(self, *words: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run python with these words in the project."""
        return self.run(sys.executable, *words, check=check, **variables)

    def pipeline(self, *words: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m pipeline` with these words."""
        return self.python("-m", "pipeline", *words, check=check, **variables)

    def dvc(self, *words: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `dvc` with these words."""
        return self.python("-m", "dvc", *words, check=check, **variables)

    def run(self, *command: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project and keep what it says."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )
        if check and result.returncode:
            pytest.fail(f"{command} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
        return result

    def environment(self, **variables: str) -> dict[str, str]:
        """Give the variables of a shell in which nothing was set."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        path = os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"]])
        return inherited | {"PATH": path, "GIT_CONFIG_GLOBAL": os.devnull} | variables

    def set(self, **values: Any) -> None:
        """Set params, dots written as double underscores: search__max_trials=3."""
        self.update({key.replace("__", "."): value for key, value in values.items()})

    def update(self, values: dict[str, Any]) -> None:
        """Set params by their dotted keys."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for key, value in values.items():
            *sections, name = key.split(".")
            section = params
            for part in sections:
                section = section[part]
            section[name] = value
        path.write_text(yaml.safe_dump(params))

    def json(self, path: str) -> Any:
        """Read a JSON file of the project."""
        return json.loads((self.folder / path).read_text())

    def digests(self) -> dict[str, str]:
        """Give the digests of the whole chain."""
        search = self.json("searched/search.json")["digests"]
        prepared = self.json("prepared/digests.json")
        parity = self.json("exported/parity.json")["digests"]
        metrics = json.dumps(self.json("reports/metrics.json"), sort_keys=True)
        return search | {"split": prepared["split"], "model": parity["model"], "metrics": metrics}

    def tracked_files(self) -> dict[str, bytes]:
        """Read every file that DVC tracks."""
        folders = ("prepared", "searched", "exported", "reports")
        files = [path for name in folders for path in (self.folder / name).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


def copy_project(folder: Path) -> Project:
    """Copy the files that git knows, or would add, into a repository of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    project = Project(folder)
    for words in (["init", "-q"], ["add", "-A"]):
        project.run("git", *words)
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "copy")
    project.update(SMALL)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh copy for one test."""
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """Make copies by name."""
    return lambda name: copy_project(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def finished(new_project: Callable[[str], Project]) -> Project:
    """A copy in which `dvc repro` has done the whole job once; tests only read it."""
    project = new_project("finished")
    project.dvc("repro")
    return project
