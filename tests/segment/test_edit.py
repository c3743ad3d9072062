"""Drafts: what a form says is what it holds, buttons change the tree, nothing unfinished fails."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.check import judge
from shopkeeper.segment.document import to_document
from shopkeeper.segment.edit import BLANK, act, from_form, to_form
from shopkeeper.segment.line import parse
from shopkeeper.segment.tree import Node
from tests.segment.strategies import trees

_DRAFT = {"all": [{"segment": "a"}, {"any": [{"segment": "b"}, {"segment": "c"}]}]}


def test_a_form_is_read() -> None:
    fields = {
        "all[0].trait": "recency_days", "all[0].op": ">", "all[0].value": "60",
        "all[1].trait": "lifecycle", "all[1].op": "in", "all[1].value": "new, active",
        "all[2].did": "order_line", "all[2].where[0].field": "category", "all[2].where[0].op": "=",
        "all[2].where[0].value": "007", "all[2].having[0].measure": "orders", "all[2].having[0].op": ">=",
        "all[2].having[0].value": "3", "all[2].window.last_days": "90", "all[2].window.from": "",
    }  # fmt: skip
    tree, faults = judge(from_form(fields), Catalogue())
    assert faults == ()
    line = (
        'recency_days > 60 and lifecycle in ("new","active") and bought category "007" at least 3 times in last 90 days'
    )
    assert tree == parse(line)


def test_unfinished_forms_have_faults_not_failures() -> None:
    draft = from_form({"all[0].trait": "recency_days", "all[0].op": ">", "all[0].value": "", "all[1].segment": ""})
    _, faults = judge(draft, Catalogue())
    assert {fault.path for fault in faults} == {"all[0].value", "all[1].segment"}
    assert judge(from_form({}), Catalogue()) == (parse("everyone"), ())


def test_values_with_commas_have_fields_of_their_own() -> None:
    document = to_document(parse('city in ("a, b", "c")'))
    assert to_form(document)["value[0]"] == "a, b"
    assert from_form(to_form(document)) == document


def test_buttons() -> None:
    assert act(_DRAFT, "remove:all[1].any[0]") == {"all": [{"segment": "a"}, {"any": [{"segment": "c"}]}]}
    assert act(_DRAFT, "down:all[0]") == {"all": [_DRAFT["all"][1], {"segment": "a"}]}
    assert act(_DRAFT, "up:all[0]") == _DRAFT
    assert act(_DRAFT, "wrap:all[0]:not")["all"][0] == {"not": {"segment": "a"}}
    assert act(act(_DRAFT, "wrap:all[0]:any"), "wrap:all[0]:unwrap") == _DRAFT
    assert act(_DRAFT, "change:all[1]:all")["all"][1] == {"all": [{"segment": "b"}, {"segment": "c"}]}
    assert act(_DRAFT, "change::any") == {"any": _DRAFT["all"]}
    assert act(_DRAFT, "add:all[1]:trait")["all"][1]["any"][2] == BLANK["trait"]
    with_filter = act(act(_DRAFT, "add::did"), "add:all[2]:where")
    assert with_filter["all"][2]["where"] == [{"field": "category", "op": "=", "value": ""}]
    assert act(_DRAFT, "remove:") == {"all": []}


_paths = st.sampled_from(
    ["", "all", "all[0]", "all[1].any[1]", "all[9]", "all[0].segment", "x[", "not", "all[1].any", "[0]"]
)
_actions = st.builds(
    lambda word, path, more: f"{word}:{path}:{more}",
    st.sampled_from(["add", "remove", "up", "down", "wrap", "change", "?"]),
    _paths,
    st.sampled_from([*BLANK, "where", "having", "unwrap", ""]),
)


@settings(max_examples=150, deadline=None)
@given(actions=st.lists(_actions, max_size=6))
def test_any_buttons_leave_a_draft_that_can_be_judged(actions: list[str]) -> None:
    before = to_form(_DRAFT)
    draft = _DRAFT
    for action in actions:
        draft = act(draft, action)
        judge(draft, Catalogue())
        judge(from_form(to_form(draft)), Catalogue())
    assert to_form(_DRAFT) == before


@settings(max_examples=100, deadline=None)
@given(fields=st.dictionaries(st.text("al[]0.1vuenoty", max_size=12) | _paths, st.text(max_size=5), max_size=6))
def test_any_form_gives_a_draft(fields: dict[str, str]) -> None:
    judge(from_form(fields), Catalogue())


@settings(max_examples=150, deadline=None)
@given(tree=trees)
def test_form_round_trip(tree: Node) -> None:
    document = to_document(tree)
    assert judge(from_form(to_form(document)), Catalogue()) == (tree, ())
