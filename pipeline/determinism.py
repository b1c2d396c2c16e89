"""Derived seeds and process settings. The only module that seeds a generator."""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from pipeline.params import Determinism

# What each level promises; written into every search summary.
GUARANTEES = {
    "strict": "the same bits on machines whose numeric environment digest is the same",
    "portable": "as strict, with oneDNN off and the CPU's instruction sets capped at AVX2, so that "
    "newer CPUs take the same code paths",
    "fast": "seeded only: reruns may differ in the last bits, and from there in everything",
}


def derive_seed(seed: int, purpose: str, number: int = 0) -> int:
    """Derive a 31-bit seed, never 0, from the params' seed, a purpose and a number.

    Never 0 because AutoKeras and KerasTuner take a seed of 0 for none (`if seed:` in
    autokeras/auto_model.py, `seed or random.randint(...)` in keras_tuner's oracle.py).
    """
    text = f"{seed}/{purpose}/{number}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") % (2**31 - 1) + 1


def process_variables(settings: Determinism) -> dict[str, str]:
    """Name the environment variables that must be set before numpy or TensorFlow is imported."""
    threads = str(settings.threads)
    variables = {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        # AutoKeras runs on the backend that Keras was told to use first.
        "KERAS_BACKEND": "tensorflow",
    }
    if settings.level == "fast":
        return {"KERAS_BACKEND": "tensorflow"}
    if settings.level == "portable":
        variables |= {
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "OPENBLAS_CORETYPE": "Haswell",
            "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX",
        }
    else:
        variables["TF_ENABLE_ONEDNN_OPTS"] = "1"
    return variables


def fix_process(settings: Determinism) -> None:
    """Fix this process's numeric settings, before numpy and TensorFlow are imported."""
    os.environ.update(process_variables(settings))
    # TensorFlow's start-up notices; nothing numeric.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def start_tensorflow(settings: Determinism) -> None:
    """Import TensorFlow and fix its own settings, before it runs its first operation."""
    with standard_error_held_back():
        import tensorflow as tf

    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    if settings.level == "fast":
        return
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def standard_error_held_back() -> Iterator[None]:
    """Hold back what native code prints while it is imported; show it if the import fails.

    TensorFlow tells of oneDNN and missing GPUs before its own log level is in force.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def seed_everything(seed: int, purpose: str, number: int = 0) -> int:
    """Reseed Python's, numpy's and TensorFlow's generators for one purpose; return the seed used."""
    import keras

    derived = derive_seed(seed, purpose, number)
    keras.utils.set_random_seed(derived)
    return derived


def numpy_generator(seed: int, purpose: str, number: int = 0) -> Any:
    """Make a numpy Generator of its own for one purpose."""
    import numpy as np

    return np.random.default_rng(derive_seed(seed, purpose, number))
