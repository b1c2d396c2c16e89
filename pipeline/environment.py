"""What ran this: the part that can change numbers, and the rest."""

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.determinism import process_variables
from pipeline.digests import digest_file
from pipeline.params import Determinism

# Packages whose version can change a number that the pipeline computes.
NUMERIC_PACKAGES = (
    "autokeras", "h5py", "keras", "keras-tuner", "ml-dtypes", "numpy", "pandas", "pillow", "pyarrow",
    "scikit-learn", "scipy", "skops", "tensorflow",
)  # fmt: skip

# Instruction sets that numeric libraries choose their code paths by.
_INSTRUCTION_SETS = re.compile(r"(sse\d?|ssse3|sse4_[12]|avx.*|fma|f16c|amx.*|asimd.*|sve.*|bf16)")

# The only environment variables that are ever recorded.
RECORDED_VARIABLES = (
    "CI", "CUDA_VISIBLE_DEVICES", "ENCORE_RAY_ADDRESS", "ENCORE_WORKERS", "KERAS_BACKEND",
    "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "PYTHONHASHSEED",
)  # fmt: skip


def numeric_environment(settings: Determinism) -> dict[str, Any]:
    """Describe what can change numbers; the same on equal machines, whatever the folder or host.

    Thread counts and switches are those that `settings` ask for, which `determinism` sets.
    """
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "instruction_sets": _instruction_sets(),
        "packages": {name: _version(name) for name in NUMERIC_PACKAGES},
        "gpu": _gpus(),
        "determinism": settings.model_dump(),
        "variables": process_variables(settings),
    }


def full_environment(settings: Determinism) -> dict[str, Any]:
    """Describe the machine, the interpreter, every package and the state of the repository."""
    import psutil

    installed = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    return {
        "numeric": numeric_environment(settings),
        "interpreter": sys.version,
        "platform": platform.platform(),
        "host": platform.node(),
        "cpu": _cpu_model(),
        "cores": {"logical": psutil.cpu_count(), "physical": psutil.cpu_count(logical=False)},
        "memory_bytes": psutil.virtual_memory().total,
        "packages": dict(sorted(installed.items())),
        "lock_digest": digest_file(paths.LOCK) if paths.LOCK.exists() else None,
        "git": git_state(),
        "variables": {name: mask(os.environ[name]) for name in RECORDED_VARIABLES if name in os.environ},
    }


def mask(text: str) -> str:
    """Replace user names, passwords and tokens in URLs by stars."""
    text = re.sub(r"(\w[\w+.-]*://)[^/\s@]+@", r"\1***@", text)
    return re.sub(r"(?i)([?&](?:token|password|secret|key|sig)[^=&\s]*=)[^&\s]+", r"\1***", text)


def git_state() -> dict[str, Any]:
    """Name the commit, and digest the changes that it does not hold; empty outside a repository."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    # DVC rewrites dvc.lock in every execution: it is a result, not a cause.
    untracked = _git("ls-files", "--others", "--exclude-standard", "--exclude", "dvc.lock") or ""
    changes = (_git("diff", "HEAD", "--", ":!dvc.lock") or "") + untracked
    import hashlib

    return {
        "commit": commit.strip(),
        "branch": (_git("rev-parse", "--abbrev-ref", "HEAD") or "").strip(),
        "dirty": bool(changes),
        "untracked": untracked.splitlines(),
        "diff_digest": hashlib.sha256(changes.encode()).hexdigest() if changes else None,
    }


def git_changes() -> str:
    """Give the working tree's difference from its commit, as `git apply` takes it; empty where there is none.

    params.yaml and dvc.lock are left out: a run holds the first itself, and the second is a result.
    """
    return _git("diff", "--binary", "HEAD", "--", ":!dvc.lock", ":!params.yaml") or ""


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_field(name: str) -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)


def _cpu_model() -> str:
    return _cpu_field("model name") or platform.processor() or platform.machine()


def _instruction_sets() -> list[str]:
    flags = (_cpu_field("flags") or _cpu_field("Features") or "").split()
    return sorted(flag for flag in flags if _INSTRUCTION_SETS.fullmatch(flag))


def _gpus() -> list[str]:
    """Ask NVIDIA's tool for name, driver and memory; empty where there is no GPU."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        result = subprocess.run(query, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted(set(result.stdout.strip().splitlines()))
