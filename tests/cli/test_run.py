"""`shopkeeper run`, `report` and `check` keep the shapes that CONTRACT.md promises."""

from tests.cli.conftest import Says


def test_run_gives_each_step_and_skips_what_did_not_change(says: Says) -> None:
    document = says("run", "--json").document()
    assert document["engine"] == "duckdb"
    assert all({"name", "rows", "seconds", "skipped"} <= set(step) for step in document["steps"])
    assert {step["name"] for step in document["steps"] if not step["skipped"]} == set()


def test_run_until_a_step_does_what_it_stands_on(says: Says) -> None:
    document = says("run", "--until", "profile", "--json").document()
    names = [step["name"] for step in document["steps"]]
    assert names[-1] == "profile"
    assert {"product_fact", "basket", "person", "person_habit"} < set(names)


def test_an_unknown_step_names_the_known(says: Says) -> None:
    assert "person_habit" in says("run", "nothere").err


def test_the_report_has_the_promised_shape(says: Says) -> None:
    document = says("report", "--json").document()
    assert {"as_of", "seconds", "tables", "people", "lifecycle", "segments", "models"} <= set(document)
    assert document["as_of"] == "2026-02-28"
    assert document["people"] == 8
    assert document["tables"]["order_line"] == {"rows": 168, "refused": 0}


def test_the_report_speaks_the_shops_language_or_the_one_asked_for(says: Says) -> None:
    assert "早报" in says("report").out
    english = says("report", "--lang", "en").out
    assert "Morning report" in english
    assert "早报" not in english


def test_segment_count_has_the_promised_shape(says: Says) -> None:
    document = says("segment", "count", "orders_ever >= 1", "--json").document()
    assert {"count", "of", "seconds"} <= set(document)
    assert (document["count"], document["of"]) == (7, 8)


def test_check_has_the_promised_shape(says: Says) -> None:
    said = says("check", "--json")
    document = said.document()
    assert document["ok"] is (said.code == 0)
    assert document["checks"]
    assert all({"table", "check", "ok", "found"} <= set(each) for each in document["checks"])


def test_what_is_wrong_with_an_audience_is_said_in_the_shops_language(says: Says) -> None:
    said = says("segment", "count", 'recensy_days > 3 and city > "x"')
    assert said.code == 2
    assert "人群规则有 2 处错误" in said.err
    assert "all[0].trait: 没有会员特征“recensy_days”，是否指 recency_days" in said.err
    assert "all[1].op" in said.err
