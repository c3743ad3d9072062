import math

import pytest

from shopkeeper.web.chart import Chart, MatrixChart, Series


def test_the_table_behind_a_chart_has_the_same_labels_and_numbers() -> None:
    chart = Chart(
        "c", "Title", "Week", ["a", "b"], [Series("x", [1, None], ["1", "–"]), Series("y", [2, 3], ["2", "3"])]
    )
    assert chart.table() == (["Week", "x", "y"], [["a", "1", "2"], ["b", "–", "3"]])
    assert [series["values"] for series in chart.spec()["series"]] == [[1, None], [2, 3]]


def test_a_chart_whose_values_do_not_fit_its_labels_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="has not one value a label"):
        Chart("c", "Title", "Week", ["a", "b"], [Series("x", [1], ["1"])])


def test_what_is_no_number_is_not_drawn() -> None:
    chart = Chart("c", "Title", "Week", ["a", "b"], [Series("x", [math.nan, math.inf], ["–", "–"])])
    assert chart.spec()["series"][0]["values"] == [None, None]


def test_the_table_behind_a_matrix_names_both_sides() -> None:
    matrix = MatrixChart("m", "Title", ["a", "b"], [[1, 0.5], [1, 1]], [["4", "2"], ["2", "2"]])
    assert matrix.table() == (["", "a", "b"], [["a", "4", "2"], ["b", "2", "2"]])
