import numpy as np
import pytest

from pipeline.digests import digest_array, digest_code, digest_json, digest_tree, digest_weights


def test_digest_json_ignores_key_order_and_numpy_types():
    assert digest_json({"a": 1, "b": [0.5]}) == digest_json({"b": [np.float64(0.5)], "a": np.int64(1)})


@pytest.mark.parametrize(
    "other", [{"a": 2}, {"a": 1.5}, {"a": "1"}, {"b": 1}, {"a": [1]}, {"a": float("nan")}]
)
def test_digest_json_tells_values_apart(other):
    assert digest_json({"a": 1}) != digest_json(other)


def test_digest_array_counts_dtype_shape_and_bytes_but_not_memory_order():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert digest_array(array) == digest_array(np.asfortranarray(array))
    others = [array.astype(np.float64), array.reshape(3, 2), np.nextafter(array, 9)]
    assert len({digest_array(array), *map(digest_array, others)}) == 4


def test_digest_weights_names_the_variable_that_differs():
    one = digest_weights([("dense/kernel", np.ones(2)), ("dense/bias", np.zeros(1))])
    two = digest_weights([("dense/kernel", np.ones(2)), ("dense/bias", np.ones(1))])
    assert one["digest"] != two["digest"]
    assert [a == b for a, b in zip(one["variables"], two["variables"], strict=True)] == [True, False]


def test_digest_code_ignores_comments_docstrings_and_layout(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('def f(x):\n    """Say."""\n    return x+1  # one\n')
    before = digest_code([path])
    path.write_text("def f( x ):\n\n    return x + 1\n")
    assert digest_code([path]) == before
    path.write_text("def f(x):\n    return x + 2\n")
    assert digest_code([path]) != before


def test_digest_tree_counts_names_and_bytes(tmp_path):
    (tmp_path / "a").write_text("1")
    before = digest_tree(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest_tree(tmp_path) != before
