"""A table under a new token key: names change in columns of every form and nothing else, and nothing older is left."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shopkeeper.base.errors import ConflictError
from shopkeeper.schema.query import Query
from shopkeeper.storage import warehouse
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.erase import state_after
from shopkeeper.storage.keys import Key
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.rekeyed_lake import _is_renamed, _may_hold_text, check_writable, rekey_table
from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.scan import Scan
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.token_chain import Chain
from tests.storage.rows import filled

KEY = Key(b"b" * 32)
BEFORE, AFTER = Tokens(Key(b"a" * 32), "CN"), Tokens(Key(b"a" * 32), "CN", [KEY])
OLD, NEW = BEFORE.token("user", "ann"), AFTER.token("user", "ann")
AT = datetime(2026, 3, 1, 9, 30, 0, 5, tzinfo=UTC)
SLUG = "em_newsletter_of_november_x"


@pytest.fixture
def renaming() -> Renaming:
    def known(texts: Collection[str]) -> Collection[str]:
        return [text for text in texts if text == OLD]

    return Renaming(Chain([KEY]), known)


def put(lake: Lake, engine: DuckDBEngine, table: str, *rows: dict[str, Any]) -> None:
    warehouse.append_rows(lake, engine, table, filled(table, list(rows)))


def rows_of(lake: Lake, table: str) -> list[dict[str, Any]]:
    """The rows as a foreign reader finds them, by the ids of their fields."""
    rows: list[dict[str, Any]] = lake.iceberg(table).scan().to_arrow().to_pylist()
    return rows


def test_what_a_foreign_writer_wrote_is_renamed_or_refused(
    lake: Lake, engine: DuckDBEngine, renaming: Renaming
) -> None:
    put(lake, engine, "customer", {"source": "app", "customer_id": OLD})
    table = lake.iceberg("customer")
    row = {"source": ["web"], "customer_id": [OLD]}
    table.append(pa.table(row, schema=pa.schema([(name, pa.large_string(), False) for name in row])))
    assert rekey_table(lake, "customer", renaming) == 2
    assert [each["customer_id"] for each in rows_of(lake, "customer")] == [NEW, NEW]
    odd = lake.folder("customer") / "odd.parquet"
    for kind in (
        pa.dictionary(pa.int32(), pa.string()),
        pa.list_(pa.list_(pa.string())),
        pa.struct([("a", pa.string())]),
    ):
        assert _may_hold_text(kind)
        assert not _is_renamed(kind)
    pq.write_table(pa.table({"customer_id": pa.array([OLD]).dictionary_encode()}), odd)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lake, "scan", lambda *_: Scan((str(odd),), {}))
        with pytest.raises(ConflictError, match="of a type that is not renamed"):
            check_writable(lake, "customer")


def test_texts_lists_and_maps_are_renamed_and_all_else_is_as_it_was(
    lake: Lake, engine: DuckDBEngine, renaming: Renaming
) -> None:
    line = {"order_id": "o1", "line_no": 1, "source": "app", "store_id": "s1", "product_id": SLUG, "ordered_at": AT,
            "business_day": AT.date(), "quantity": Decimal("1.5"), "net_amount": Decimal("-9.9900")}  # fmt: skip
    put(lake, engine, "order_line", line | {"customer_id": OLD}, line | {"line_no": 2, "coupon_code": f"of {OLD}"})
    put(lake, engine, "customer", {"source": "app", "customer_id": OLD, "attributes": {"by": OLD, OLD: SLUG}})
    score = {"model": "m", "version": "1", "subject": "c", "as_of": date(2026, 3, 1), "value": 0.25}
    put(lake, engine, "score", score | {"person_id": f"app:{OLD}", "reasons": ["why", f"like {OLD}"]})
    before = lake.snapshot("order_line")
    assert before is not None
    line_before = rows_of(lake, "order_line")
    assert [rekey_table(lake, name, renaming) for name in ("order_line", "customer", "score")] == [2, 1, 1]
    expected = [row | {"customer_id": row["customer_id"] and NEW} for row in line_before]
    expected[1]["coupon_code"] = f"of {NEW}"
    assert rows_of(lake, "order_line") == expected
    assert dict(rows_of(lake, "customer")[0]["attributes"]) == {"by": NEW, NEW: SLUG}
    (scored,) = rows_of(lake, "score")
    assert (scored["person_id"], scored["reasons"], scored["value"]) == (f"app:{NEW}", ["why", f"like {NEW}"], 0.25)
    assert len(lake.history("order_line")) == 1
    present = lake.snapshot("order_line")
    assert present is not None
    assert state_after(lake, "order_line", before.id) == present.id
    reasons = engine.arrow(Query.from_sql("SELECT person_id, reasons FROM score", name="score")).to_pylist()
    assert reasons == [{"person_id": f"app:{NEW}", "reasons": ["why", f"like {NEW}"]}]
    by = engine.arrow(Query.from_sql("SELECT attributes['by'] AS by_whom FROM customer", name="customer")).to_pylist()
    assert by == [{"by_whom": NEW}]


def test_what_was_renamed_is_not_renamed_again_and_what_has_no_token_is_left(
    lake: Lake, engine: DuckDBEngine, renaming: Renaming
) -> None:
    put(lake, engine, "identifier", {"kind": "user", "token": OLD, "source": "app", "customer_id": "1"})
    put(lake, engine, "store", {"store_id": "s1", "name": SLUG})
    store = lake.snapshot("store")
    assert rekey_table(lake, "store", renaming) == 0
    assert lake.snapshot("store") == store
    assert rekey_table(lake, "identifier", renaming) == 1
    assert rekey_table(lake, "identifier", renaming) == 0
    assert [row["token"] for row in rows_of(lake, "identifier")] == [NEW]


def test_a_table_with_deletes_of_a_foreign_writer_is_refused(
    lake: Lake, engine: DuckDBEngine, renaming: Renaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, engine, "identifier", {"kind": "user", "token": OLD, "source": "app", "customer_id": "1"})
    scan = lake.scan("identifier")
    object.__setattr__(scan, "rows", pq.read_table(lake.files("identifier")[0]))
    monkeypatch.setattr(Lake, "scan", lambda *_: scan)
    with pytest.raises(ConflictError, match="foreign writer"):
        rekey_table(lake, "identifier", renaming)
