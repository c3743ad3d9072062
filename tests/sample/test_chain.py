"""The made-up chain: it keeps the dictionary, adds up, repeats itself, and its planted truths can be found."""

import hashlib
import re
import shutil
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shopkeeper.base.errors import UsageError
from shopkeeper.sample.chain import TABLES, Chain, chain
from shopkeeper.sample.parquet import arrow_schema
from shopkeeper.schema.tables import table
from shopkeeper.storage.iceberg import field_ids
from shopkeeper.storage.lake import Lake

SMALL = {"people": 600, "lines": 40_000, "days": 120, "stores": 6, "products": 300}
Written = tuple[Chain, Path, dict[str, list[Path]]]
Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("small")
    made = chain("demo", seed=7, **SMALL)
    return made, folder, made.write(folder)


def read(files: list[Path]) -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(path).read() for path in files])


def numbers(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()))


def hashes(files: dict[str, list[Path]]) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for paths in files.values() for p in paths}


def test_every_table_is_written(small: Written) -> None:
    assert set(small[2]) == {*TABLES, "identifiers", "truth"}


@pytest.mark.parametrize("name", TABLES)
def test_files_keep_the_dictionary(small: Written, name: str) -> None:
    expected, ids = arrow_schema(table(name)), field_ids(table(name))
    for path in small[2][name]:
        found = pq.ParquetFile(path).schema_arrow
        assert found.names == expected.names
        for field in found:
            column = table(name).column(field.name)
            parts = ids[column.name]
            assert field.metadata[b"PARQUET:field_id"] == str(parts[0]).encode()
            if pa.types.is_map(field.type):
                nested = (field.type.key_field, field.type.item_field)
            elif pa.types.is_list(field.type):
                nested = (field.type.value_field,)
            else:
                nested = ()
                assert field.type == expected.field(field.name).type
            assert [part.metadata[b"PARQUET:field_id"] for part in nested] == [str(i).encode() for i in parts[1:]]


@pytest.mark.parametrize("name", TABLES)
def test_keys_are_unique_and_required_columns_are_filled(small: Written, name: str) -> None:
    rows, declared = read(small[2][name]), table(name)
    assert rows.num_rows
    assert rows.group_by(list(declared.key)).aggregate([]).num_rows == rows.num_rows
    for column in declared.columns:
        if column.required:
            assert rows.column(column.name).null_count == 0
        if column.values:
            assert set(pc.unique(rows.column(column.name)).to_pylist()) <= {*column.values, None}


def test_monthly_files_hold_one_month(small: Written) -> None:
    for path in small[2]["order_line"]:
        days = pq.ParquetFile(path).read(columns=["business_day"]).column(0)
        assert {day.strftime("%Y-%m") for day in pc.unique(days).to_pylist()} == {path.stem[-7:]}


def test_amounts_add_up(small: Written) -> None:
    rows = read(small[2]["order_line"])
    gross, product, coupon, net = (
        np.round(numbers(rows.column(n)) * 100).astype(int)
        for n in ("gross_amount", "product_discount", "coupon_discount", "net_amount")
    )
    assert (gross - product - coupon == net).all()
    assert (product >= 0).all()
    assert (coupon >= 0).all()
    sold = numbers(rows.column("quantity")) > 0
    assert (net[sold] >= 0).all()
    assert (net[~sold] < 0).all()
    assert rows.column("return_of").null_count == sold.sum()


def test_every_id_of_a_line_is_known(small: Written) -> None:
    rows = read(small[2]["order_line"])
    for column, name in (("product_id", "product"), ("store_id", "store"), ("customer_id", "customer")):
        known = set(read(small[2][name]).column(column).to_pylist())
        assert set(pc.unique(rows.column(column)).to_pylist()) - {None} <= known


def test_size_and_share_of_guests_are_as_asked(small: Written) -> None:
    rows = read(small[2]["order_line"])
    tickets = rows.group_by(["order_id", "customer_id"]).aggregate([])
    assert rows.num_rows == pytest.approx(SMALL["lines"], rel=0.06)
    assert tickets.column("customer_id").null_count / tickets.num_rows == pytest.approx(0.5, abs=0.03)


def test_a_ticket_looks_like_a_convenience_shop(small: Written) -> None:
    rows = read(small[2]["order_line"])
    sold = rows.filter(pc.is_null(rows.column("return_of")))
    tickets = pc.count_distinct(sold.column("order_id")).as_py()
    net = numbers(sold.column("net_amount")).sum()
    cost = (numbers(sold.column("unit_cost")) * numbers(sold.column("quantity"))).sum()
    assert 18 < net / tickets < 35
    assert 2 < sold.num_rows / tickets < 3
    assert 0.15 < 1 - cost / net < 0.45


def test_the_business_day_changes_at_the_cutover(small: Written) -> None:
    rows, stores = read(small[2]["order_line"]), read(small[2]["store"])
    cut = dict(zip(stores.column("store_id").to_pylist(), stores.column("cutover_hour").to_pylist(), strict=True))
    local = np.asarray(pc.cast(rows.column("ordered_at"), pa.int64())) + 8 * 3_600_000_000
    hours = np.array([cut[store] for store in rows.column("store_id").to_pylist()])
    day = (local - hours * 3_600_000_000) // 86_400_000_000
    assert (day == np.asarray(pc.cast(rows.column("business_day"), pa.int32()))).all()
    assert (local // 3_600_000_000 % 24 < 6).any()


def test_the_close_equals_the_lines_but_for_the_planted_faults(small: Written) -> None:
    rows = read(small[2]["order_line"])
    tickets: dict[tuple[str, date], set[str]] = {}
    sales: dict[tuple[str, date], Decimal] = {}
    for row in rows.select(["store_id", "business_day", "order_id", "quantity", "net_amount"]).to_pylist():
        key = row["store_id"], row["business_day"]
        sales[key] = sales.get(key, Decimal(0)) + row["net_amount"]
        if row["quantity"] > 0:
            tickets.setdefault(key, set()).add(row["order_id"])
    lines = {key: (amount, len(tickets[key])) for key, amount in sales.items() if key in tickets}
    close = {
        (row["store_id"], row["business_day"]): (row["sales"], row["tickets"])
        for row in read(small[2]["daily_close"]).to_pylist()
    }
    differ = {key for key in close.keys() | lines.keys() if close.get(key) != lines.get(key)}
    planted = pq.read_table(small[1] / "truth" / "close_fault.parquet").to_pylist()
    assert differ == {(row["store_id"], row["business_day"]) for row in planted}


def test_the_lake_takes_the_files_as_they_are(small: Written, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    for name in TABLES:
        copies = []
        for path in small[2][name]:
            copy = lake.folder(name) / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copies.append(str(shutil.copyfile(path, copy)))
        snapshot = lake.append(name, copies)
        assert snapshot is not None
        assert snapshot.rows == read(small[2][name]).num_rows


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    tiny = {"people": 60, "lines": 3_000, "days": 70, "stores": 3, "products": 80}
    first = hashes(chain("demo", seed=3, **tiny).write(tmp_path / "a"))
    again = hashes(chain("demo", seed=3, **tiny).write(tmp_path / "b"))
    other = hashes(chain("demo", seed=4, **tiny).write(tmp_path / "c"))
    assert first == again
    assert first["order_line-2026-03.parquet"] != other["order_line-2026-03.parquet"]


def test_language_changes_names_only(tmp_path: Path) -> None:
    tiny = {"people": 60, "lines": 3_000, "days": 70, "stores": 3, "products": 80}
    chinese = chain("demo", seed=3, language="zh", **tiny).write(tmp_path / "zh")
    english = chain("demo", seed=3, language="en", **tiny).write(tmp_path / "en")
    assert read(chinese["order_line"]).equals(read(english["order_line"]))
    assert "小店大连锁" in read(chinese["org_unit"]).column("name").to_pylist()
    names = "".join(
        read(english["product"]).column("name").to_pylist() + read(english["store"]).column("name").to_pylist()
    )
    assert names.isascii()


def test_offices_close_at_the_spring_festival(small: Written) -> None:
    stores = read(small[2]["store"])
    offices = stores.filter(pc.equal(stores.column("trade_area"), "office")).column("store_id")
    rows = read(small[2]["order_line"])
    festival = pc.equal(rows.column("business_day"), pa.scalar(date(2026, 2, 17)))
    assert pc.sum(festival).as_py() > 0
    assert pc.sum(pc.and_(festival, pc.is_in(rows.column("store_id"), value_set=offices.combine_chunks()))).as_py() == 0


def test_nothing_out_of_stock_is_sold(small: Written) -> None:
    keys = ["store_id", "product_id", "business_day"]
    out = pq.read_table(small[1] / "truth" / "stock_out.parquet").rename_columns(
        ["store_id", "product_id", "business_day"]
    )
    rows = read(small[2]["order_line"])
    sold = rows.filter(pc.is_null(rows.column("return_of")))
    assert out.num_rows
    assert sold.join(out, keys, join_type="inner").num_rows == 0


def test_records_of_one_person_share_identifiers(small: Written) -> None:
    truth = pq.read_table(small[1] / "truth" / "record.parquet")
    raw = pq.read_table(small[2]["identifiers"][0])
    phones = raw.filter(pc.equal(raw.column("kind"), "phone"))
    assert all(value.startswith(("100", "101")) and len(value) == 11 for value in phones.column("value").to_pylist())
    joined = phones.join(truth, ["source", "customer_id"])
    assert joined.num_rows == phones.num_rows
    persons = pc.count_distinct(joined.column("true_person_id")).as_py()
    assert persons < pc.count_distinct(truth.column("true_person_id")).as_py() < truth.num_rows
    by_phone = joined.group_by("value").aggregate([("true_person_id", "count_distinct")])
    households = pc.sum(pc.greater(by_phone.column("true_person_id_count_distinct"), 1)).as_py()
    assert 0 < households / by_phone.num_rows < 0.05


def test_churned_people_stop_coming_and_hazard_tells_how_soon(small: Written) -> None:
    made = small[0]
    alive = np.maximum(made.people.birth, 0)
    left = made.people.death < made.size.days
    lived = np.minimum(made.people.death, made.size.days) - alive
    # Deaths over expected deaths: the planted hazard times the days under it.
    assert left.sum() / (made.people.hazard * lived).sum() == pytest.approx(1, abs=0.2)


def test_rational_buyers_keep_to_their_goods_and_to_offers(tmp_path: Path) -> None:
    made = chain("demo", seed=7, people=3_000, lines=200_000, days=120, stores=6, products=300)
    written = made.write(tmp_path)
    truth = pq.read_table(tmp_path / "truth" / "person.parquet")
    records = pq.read_table(tmp_path / "truth" / "record.parquet")
    rows = read(written["order_line"])
    bought = rows.filter(pa.array(numbers(rows.column("quantity")) > 0))
    bought = bought.append_column("offered", pc.greater(numbers(bought.column("product_discount")), 0).cast(pa.int64()))
    bought = bought.join(records, ["source", "customer_id"], join_type="inner")
    each = bought.group_by(["true_person_id", "product_id"]).aggregate([("offered", "sum"), ([], "count_all")])
    each = each.append_column("square", pc.multiply(each["count_all"], each["count_all"]))
    sums = [("count_all", "sum"), ("square", "sum"), ("offered_sum", "sum")]
    person = each.group_by("true_person_id").aggregate(sums).filter(pc.field("count_all_sum") >= 20)
    person = person.join(truth, "true_person_id")
    lines, rational = numbers(person["count_all_sum"]), np.asarray(pc.equal(person["buying_style"], "rational"))
    # The chance that two lines of a person are the same product, and the share of lines on offer.
    for planted in (numbers(person["square_sum"]) / lines**2, numbers(person["offered_sum_sum"]) / lines):
        one, other = planted[rational], planted[~rational]
        error = np.sqrt(one.var() / len(one) + other.var() / len(other))
        assert one.mean() - other.mean() > 4 * error


def test_reviews_say_the_planted_aspect_and_feeling(small: Written) -> None:
    rows = read(small[2]["interaction"])
    truth = pq.read_table(small[1] / "truth" / "review.parquet")
    joined = rows.join(truth, "interaction_id")
    assert joined.num_rows == rows.num_rows == truth.num_rows
    rating, good = numbers(joined["rating"]), np.asarray(joined["positive"])
    assert np.array_equal(rating >= 4, good)
    marks = {"delivery": ("很快|准时", "一个多小时|太慢"), "service": ("热情|态度好", "爱答不理|太慢")}
    matched = 0
    for aspect, words in marks.items():
        for positive, word in zip((True, False), words, strict=True):
            said = joined.filter((pc.field("aspect") == aspect) & (pc.field("positive") == positive))["text_redacted"]
            assert all(re.search(word, text) for text in said.to_pylist())
            matched += len(said)
    assert matched >= 10


def test_demand_follows_the_planted_elasticity(tmp_path: Path) -> None:
    made = chain("demo", seed=11, lines=500_000, products=120, people=3_000, days=365, campaign_every=0)
    rows = read(made.write(tmp_path, ["order_line"])["order_line"])
    products = np.asarray(pc.index_in(rows.column("product_id"), pa.array(made.goods.ids)))
    day = np.asarray(pc.cast(rows.column("business_day"), pa.int32())) - made.days.epoch[0]
    keep = numbers(rows.column("quantity")) > 0
    weeks, count = made.prices.ratio.shape
    sold = np.zeros((weeks, count))
    np.add.at(sold, (made.days.weeks[day[keep]], products[keep]), 1)
    errors = []
    even = [c for c, known in enumerate(made.goods.categories) if known.season == "even" and known.elasticity < 0]
    for product in np.flatnonzero(np.isin(made.goods.category, even) & (made.goods.launched < 0))[:25]:
        log_price = np.log(made.prices.ratio[1:-1, product])
        log_share = np.log(np.maximum(sold[1:-1, product], 0.5) / sold[1:-1].sum(axis=1))
        errors.append(np.polyfit(log_price, log_share, 1)[0] - made.goods.elasticity[product])
    assert abs(np.mean(errors)) < 0.2
    assert np.median(np.abs(errors)) < 0.45


def window_spend(
    made: Chain, folder: Path, files: dict[str, list[Path]]
) -> Callable[[str], tuple[Floats, Floats, Floats]]:
    """Spend in the window, whether treated, and the planted extra spend, of one campaign's people."""
    rows = read(files["order_line"])
    truth = pq.read_table(folder / "truth" / "campaign.parquet")
    starts = {row["campaign_id"]: row["starts_on"] for row in read(files["campaign"]).to_pylist()}
    day = np.asarray(pc.cast(rows.column("business_day"), pa.int32()))
    net, record = numbers(rows.column("net_amount")), rows.column("customer_id")

    def of(campaign: str) -> tuple[Floats, Floats, Floats]:
        chosen = truth.filter(pc.equal(truth.column("campaign_id"), campaign))
        customers = read(files["customer"])
        first = (starts[campaign] - date(1970, 1, 1)).days
        living = made.people.birth < first - made.days.epoch[0]
        persons = pq.read_table(folder / "truth" / "record.parquet").filter(pa.array(living))
        ids = persons.column("customer_id").combine_chunks()
        assert customers.num_rows == len(living)
        place = np.asarray(pc.fill_null(pc.index_in(record, ids), -1))
        inside = (place >= 0) & (day >= first) & (day < first + 28)
        spend = np.bincount(place[inside], net[inside], len(ids))
        at = np.asarray(pc.index_in(chosen.column("customer_id"), ids))
        treated = np.full(len(ids), np.nan)
        treated[at] = np.asarray(chosen.column("treated").cast(pa.float64()))
        extra = np.zeros(len(ids))
        extra[at] = numbers(chosen.column("extra_spend"))
        return spend, treated, extra

    return of


CAMPAIGN = {
    "people": 12_000,
    "lines": 400_000,
    "days": 151,
    "products": 200,
    "stores": 4,
    "sources": "one",
    "target_share": 0.5,
}


def test_a_random_campaign_shows_its_planted_effect(tmp_path: Path) -> None:
    made = chain("demo", seed=5, holdout=0.5, effect=0.6, **CAMPAIGN)
    spend, treated, extra = window_spend(made, tmp_path, made.write(tmp_path))("C001")
    found = spend[treated == 1].mean() - spend[treated == 0].mean()
    error = np.sqrt(spend[treated == 1].var() / (treated == 1).sum() + spend[treated == 0].var() / (treated == 0).sum())
    planted = extra[treated == 1].mean()
    assert planted > 5 * error
    assert abs(found - planted) < 3 * error


def test_a_confounded_campaign_misleads_the_naive_difference(tmp_path: Path) -> None:
    made = chain("demo", seed=5, targeting="confounded", **CAMPAIGN)
    files = made.write(tmp_path)
    spend, treated, extra = window_spend(made, tmp_path, files)("C001")
    chosen = treated == 1
    error = np.sqrt(spend[chosen].var() / chosen.sum() + spend[~chosen].var() / (~chosen).sum())
    assert spend[chosen].mean() - spend[~chosen].mean() > extra[chosen].mean() + 5 * error
    assert not any(read(files["touch"]).column("is_holdout").to_pylist())


def test_the_planted_response_is_what_is_redeemed(tmp_path: Path) -> None:
    made = chain("demo", seed=5, **CAMPAIGN)
    files = made.write(tmp_path)
    truth = pq.read_table(tmp_path / "truth" / "campaign.parquet")
    treated = np.asarray(truth.column("treated"))
    planted, redeemed = numbers(truth.column("response_probability")), np.asarray(truth.column("redeemed"))
    assert redeemed[treated].mean() == pytest.approx(planted[treated].mean(), rel=0.1)
    assert not redeemed[~treated].any()
    top = planted > np.quantile(planted[treated], 0.8)
    assert redeemed[treated & top].mean() > 2 * redeemed[treated & ~top].mean()
    assert read(files["redemption"]).num_rows == redeemed.sum()


def test_a_hidden_confounder_raises_visits_before_the_campaign(tmp_path: Path) -> None:
    made = chain("demo", seed=5, hidden=True, **CAMPAIGN)
    made.write(tmp_path)
    truth = pq.read_table(tmp_path / "truth" / "campaign.parquet")
    first = truth.filter(pc.equal(truth.column("campaign_id"), "C001"))
    hidden, recent = np.asarray(first.column("hidden_confounder")), numbers(first.column("recent_spend"))
    assert hidden.mean() > 0.2
    assert recent[hidden].mean() > 1.2 * recent[~hidden].mean()


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="no chain of size 'huge'"):
        chain("huge")
    with pytest.raises(UsageError, match="at least 2 stores"):
        chain("demo", stores=1)
    with pytest.raises(UsageError, match="no table event"):
        chain("demo").write(Path("nowhere"), ["event"])
