import itertools

import numpy as np
import pytest

from pipeline.determinism import GUARANTEES, derive_seed, numpy_generator, process_variables
from pipeline.params import Determinism


def test_derive_seed_differs_for_seed_purpose_and_number():
    seeds = [derive_seed(*key) for key in itertools.product((0, 1), ("trial", "proposal"), range(50))]
    assert len(set(seeds)) == len(seeds)


def test_derive_seed_of_zero_is_a_seed_that_libraries_accept():
    # `if seed:` in AutoKeras and KerasTuner takes 0 for none.
    assert 0 < derive_seed(0, "oracle") < 2**31


def test_derive_seed_never_changes():
    assert [derive_seed(0, "trial", n) for n in range(3)] == [1303519391, 2043471750, 1195996530]


def test_numpy_generator_is_its_own():
    np.random.seed(1)  # noqa: NPY002
    one = numpy_generator(0, "sample").random()
    np.random.seed(2)  # noqa: NPY002
    assert numpy_generator(0, "sample").random() == one


@pytest.mark.parametrize("level", GUARANTEES)
def test_process_variables_fix_threads_except_at_the_fast_level(level):
    variables = process_variables(Determinism(level=level, threads=3))
    assert variables.get("TF_NUM_INTRAOP_THREADS") == (None if level == "fast" else "3")
