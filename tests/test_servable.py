import numpy as np
import pandas as pd
import pytest

from pipeline.servable import RowsError, decode, typed_rows

SCHEMA = {
    "columns": [{"name": "size", "type": "numeric"}, {"name": "code", "type": "categorical"}],
    "missing": ["", "NA"],
}


@pytest.mark.parametrize(
    "values", [[1, 2], [1.0, 2.0], ["1", "2"], ["1.0", " 2 "], [np.int32(1), np.int32(2)]]
)
def test_typed_rows_write_whole_numbers_alike(values):
    rows = typed_rows(pd.DataFrame({"code": values, "size": values}), SCHEMA)
    assert list(rows["code"]) == ["1", "2"]
    assert list(rows["size"]) == [1.0, 2.0]


def test_typed_rows_take_any_order_missing_columns_and_more_columns():
    rows = typed_rows(pd.DataFrame({"other": [1], "code": ["a"]}, index=[7]), SCHEMA)
    assert list(rows.columns) == ["size", "code"]
    assert np.isnan(rows.loc[7, "size"])


def test_typed_rows_read_missing_texts_and_nan():
    rows = typed_rows(pd.DataFrame({"size": ["", "NA", "1"], "code": [np.nan, None, "NA"]}), SCHEMA)
    assert rows["size"].isna().tolist() == [True, True, False]
    assert rows["code"].tolist() == [None, None, None]


def test_typed_rows_with_text_in_a_number_name_column_and_row():
    with pytest.raises(
        RowsError, match=r"column 'size' must hold numbers, but got text in 1 rows \(1: 'big'\)"
    ):
        typed_rows(pd.DataFrame({"size": ["1", "big"]}), SCHEMA)


def test_typed_rows_without_any_known_column_are_refused():
    with pytest.raises(RowsError, match=r"at least one of the model's columns \(size, code …\)"):
        typed_rows(pd.DataFrame({"x": [1]}), SCHEMA)


def test_decode_gives_labels_and_probabilities_of_two_classes():
    schema = {"task": "classification", "classes": ["no", "yes"]}
    table = decode(np.array([[0.25], [0.75]], dtype=np.float32), schema)
    assert list(table["prediction"]) == ["no", "yes"]
    assert table["probability_yes"].tolist() == [0.25, 0.75]
    assert table["probability_no"].tolist() == [0.75, 0.25]


def test_decode_gives_values_in_the_targets_unit():
    schema = {"task": "regression", "target_mean": 10.0, "target_scale": 2.0}
    assert decode(np.array([[-1.0]], dtype=np.float32), schema)["prediction"].tolist() == [8.0]
