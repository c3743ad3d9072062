"""The text that Prometheus reads."""

import pytest

from shopkeeper.base.metric import Histogram, Metric, Sample, exposition


def test_a_metric_is_its_sentence_its_kind_and_its_numbers() -> None:
    samples = [Sample(3, {"source": 'a "till"\\\n'}), Sample(0.25, {"source": "web"})]
    assert exposition([Metric("shopkeeper_events_total", "counter", "Events.", samples)]) == (
        "# HELP shopkeeper_events_total Events.\n"
        "# TYPE shopkeeper_events_total counter\n"
        'shopkeeper_events_total{source="a \\"till\\"\\\\\\n"} 3\n'
        'shopkeeper_events_total{source="web"} 0.25\n'
    )
    assert exposition([Metric("shopkeeper_nothing", "gauge", "None.", [])]) == ""


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram()
    for seconds in (0.001, 0.003, 0.003, 99):
        histogram.add(seconds)
    text = exposition([Metric("shopkeeper_append_seconds", "histogram", "Time.", [*histogram.samples({})])])
    counts = {line.split('"')[1]: line.split()[-1] for line in text.splitlines() if "_bucket" in line}
    assert (counts["0.001"], counts["0.0025"], counts["0.005"], counts["10"], counts["+Inf"]) == tuple("11334")
    assert "shopkeeper_append_seconds_count 4" in text
    assert "shopkeeper_append_seconds_sum 99.007" in text


def test_a_name_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="no name of a metric"):
        Metric("events", "counter", "Events.", [])
