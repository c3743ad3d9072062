import os
import re
import resource
import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shopkeeper.app.lease import loading
from shopkeeper.app.pages.upload import ENDINGS, Incoming, Upload, discard, find_upload, keep_upload, sweep_uploads
from shopkeeper.app.schedule import Work, Worker
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.upkeep import maintain_shop
from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.schema.query import Query
from tests.web.conftest import new_session, post, serving, token

CSV = (
    "商品编码,商品名称,品类,品牌,零售价\n"
    "900001,豆浆,早餐,自有,3.5\n"
    "900002,<script>alert(1)</script>,早餐,自有,4.0\n"
    "900003,包子,早餐,自有,不是数字\n"
).encode("gb18030")


def _send(client: httpx.Client, content: bytes, name: str = "goods.csv") -> httpx.Response:
    data = {"csrf": token(client, "/upload"), "table": "product", "source": "erp"}
    headers = {"origin": str(client.base_url).rstrip("/")}
    return client.post("/upload", data=data, files={"file": (name, content, "text/csv")}, headers=headers)


def _keep(shop: Shop, name: str, *, by: str, now: datetime, table: str = "product") -> Upload:
    incoming = Incoming(shop, now)
    incoming.write(CSV)
    return keep_upload(incoming, name, table=table, source="erp", by=by, now=now)


def _act(client: httpx.Client, place: str, action: str, changes: dict[str, str] | None = None) -> httpx.Response:
    """Presses a button of the columns' form with what it proposes, and the changes."""
    text = client.get(place).text
    chosen = {}
    for header, options in re.findall(r'<select name="(target:[^"]+)".*?>(.*?)</select>', text, re.DOTALL):
        selected = re.search(r'value="([^"]*)" selected', options)
        chosen[header] = selected[1] if selected else ""
    headers = {"origin": str(client.base_url).rstrip("/")}
    data = {**chosen, **(changes or {}), "csrf": token(client, place)}
    return client.post(f"{place}/{action}", data=data, headers=headers)


def test_a_file_from_a_chinese_system_is_looked_at_tried_and_loaded(client: httpx.Client, shop: Shop) -> None:
    place = _send(client, CSV).headers["location"]
    columns = client.get(place)
    assert "商品编码" in columns.text
    tried = _act(client, place, "try")
    assert tried.status_code == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in tried.text
    assert _names(shop) == []
    loaded = _act(client, place, "load")
    assert loaded.status_code == 200
    assert _names(shop) == ["<script>alert(1)</script>", "豆浆"]
    assert client.get("/data/refused").text.count("goods.csv") == 1
    assert not list((shop.spill / "uploads").iterdir())
    assert client.get(place).status_code == 404


def _names(shop: Shop) -> list[str]:
    query = Query.from_sql(
        "SELECT name FROM product WHERE product_id IN $ids ORDER BY name",
        name="goods",
        ids=["900001", "900002", "900003"],
    )
    return [row["name"] for row in shop.arrow(query).to_pylist()]


def test_a_mapping_that_does_not_fit_is_said_and_nothing_is_written(client: httpx.Client) -> None:
    place = _send(client, CSV).headers["location"]
    answer = _act(client, place, "try", {"target:商品编码": ""})
    assert answer.status_code == 422
    assert "product_id" in answer.text
    assert _act(client, place, "discard").status_code == 303
    assert client.get(place).status_code == 404


@pytest.mark.parametrize("name", ["goods.exe", "goods", "../../keys"])
def test_only_files_that_can_be_read_are_kept(client: httpx.Client, name: str) -> None:
    assert _send(client, CSV, name).status_code == 400


def test_a_file_is_seen_by_who_brought_it_only(client: httpx.Client, shop: Shop) -> None:
    kept = _keep(shop, "a.csv", by="somebody else", now=shop.clock())
    assert client.get(f"/upload/{kept.id}").status_code == 404
    with pytest.raises(MissingError):
        find_upload(shop, "../../keys", by="somebody else")


def test_a_file_is_kept_for_an_hour_at_most(shop: Shop) -> None:
    now = shop.clock()
    old = _keep(shop, "a.csv", by="ada", now=now - timedelta(hours=2))
    _keep(shop, "b.csv", by="ada", now=now)
    with pytest.raises(MissingError):
        find_upload(shop, old.id, by="ada")


def test_upkeep_removes_what_waited_too_long(shop: Shop) -> None:
    old = _keep(shop, "a.csv", by="ada", now=shop.clock() - timedelta(hours=2))
    fresh = _keep(shop, "b.csv", by="ada", now=shop.clock() - timedelta(minutes=5))
    maintain_shop(shop)
    assert find_upload(shop, fresh.id, by="ada").file_name == "b.csv"
    with pytest.raises(MissingError):
        find_upload(shop, old.id, by="ada")


def test_a_computed_table_takes_no_file(shop: Shop) -> None:
    with pytest.raises(UsageError, match="profile"):
        _keep(shop, "a.csv", by="ada", now=shop.clock(), table="profile")


def test_nobody_sends_a_file_without_signing_in(visitor: httpx.Client) -> None:
    data = {"csrf": token(visitor, "/sign-in"), "table": "product"}
    headers = {"origin": str(visitor.base_url).rstrip("/")}
    answer = visitor.post("/upload", data=data, files={"file": ("a.csv", CSV)}, headers=headers)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


def test_a_body_that_is_too_large_is_refused(client: httpx.Client) -> None:
    headers = {"origin": str(client.base_url).rstrip("/")}
    body = {"csrf": token(client, "/segments/new"), "r.all": "x" * 2_000_000}
    assert client.post("/segments/preview", data=body, headers=headers).status_code == 413


def test_the_endings_offered_are_those_accepted(client: httpx.Client) -> None:
    assert f'accept="{",".join(ENDINGS)}"' in client.get("/upload").text
    assert Path("x.csv").suffix in ENDINGS


TICKETS = (
    "小票号,会员卡号,会员姓名,门店编号,门店名称,商品编码,商品名称,销售时间,数量,实收金额,班次\n"
    '0001,M1,王小明,0900,徐家汇店,0690001,鲜牛奶,2017/9/1 08:12,1,"1,288.00元",早\n'
    "0001,M1,王小明,0900,徐家汇店,0690002,面包,2017/9/1 08:12,2,0.12万元,早\n"
    "0002,,,0901,张江店,0690001,鲜牛奶（促销）,2017/9/1 09:00,1,12.50,早\n"
    "合计,,,,,,,,,2500.50,\n"
).encode("gb18030")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Shop, httpx.Client]]:
    """A shop that nothing was loaded into, and a client that is signed in."""
    with init(tmp_path / "own") as shop:
        shop.state.users.add("ada", "a long enough password", "admin", now=shop.clock())
        with serving(shop) as address, httpx.Client(base_url=address, timeout=60) as client:
            client.cookies.set("shopkeeper_session", new_session(shop))
            yield shop, client


def test_one_file_of_tickets_brings_its_goods_and_stores_and_says_its_total(own: tuple[Shop, httpx.Client]) -> None:
    shop, client = own
    data = {"csrf": token(client, "/upload"), "table": "order_line", "source": "till"}
    headers = {"origin": str(client.base_url).rstrip("/")}
    sent = client.post("/upload", data=data, files={"file": ("小票.csv", TICKETS)}, headers=headers)
    tried = _act(client, sent.headers["location"], "try")
    assert "¥2,500.50" in tried.text
    assert "Left out: 门店名称, 商品名称, 班次" in tried.text
    assert re.findall(r'name="also" value="(\w+)" checked', tried.text) == ["product", "store"]
    loaded = _act(client, sent.headers["location"], "load", {"also": "product"})
    assert "¥2,500.50" in loaded.text
    assert 'action="/data/run"' in loaded.text
    query = Query.from_sql("SELECT product_id, name FROM product ORDER BY 1", name="new")
    assert [tuple(row.values()) for row in shop.arrow(query).to_pylist()] == [
        ("0690001", "鲜牛奶"),
        ("0690002", "面包"),
    ]
    stores = Query.from_sql("SELECT store_id FROM store", name="stores")
    assert shop.arrow(stores).num_rows == 0  # it was not ticked


def test_a_run_is_asked_of_the_worker(client: httpx.Client, shop: Shop) -> None:
    assert "Run now" in client.get("/data/jobs").text
    answer = post(client, "/data/run", {}, form="/data/jobs")
    assert answer.headers["location"] == "/data/jobs"
    job = shop.state.jobs.get("run")
    assert job.state == "waiting"
    assert job.next_at is not None
    assert job.next_at <= shop.clock()
    assert 'hx-trigger="every 3s"' in client.get("/data/jobs").text
    shown: list[str] = []
    doing = lambda: shown.append(client.get("/data/jobs").text)  # noqa: E731
    worker = Worker(shop, [Work("run", doing, lambda after: after + timedelta(days=1))])
    assert worker.tick() is not None
    assert "A run is under way" in shown[0]
    assert "Run now" not in shown[0]
    assert 'hx-trigger="every 3s"' not in client.get("/data/jobs").text
    shop.state.jobs.drop("run")


def test_a_run_that_no_worker_takes_waits_and_is_not_followed_for_ever(client: httpx.Client, shop: Shop) -> None:
    shop.state.jobs.plan("run", shop.clock() - timedelta(minutes=5))
    try:
        page = client.get("/data/jobs").text
        assert "A run waits for the worker." in page
        assert "under way" not in page
        assert "Run now" in page
        assert 'hx-trigger="every 3s"' not in page
    finally:
        shop.state.jobs.drop("run")


def test_without_a_worker_no_run_is_offered_and_one_asked_for_says_why(tmp_path: Path) -> None:
    with init(tmp_path / "own", {"schedule.enabled": False}) as shop:
        shop.state.users.add("ada", "a long enough password", "admin", now=shop.clock())
        with serving(shop) as address, httpx.Client(base_url=address, timeout=60) as client:
            client.cookies.set("shopkeeper_session", new_session(shop))
            page = client.get("/data/jobs").text
            assert "Run now" not in page
            assert "shopkeeper run" in page
            answer = post(client, "/data/run", {}, form="/upload")
            assert answer.status_code == 503
            assert "schedule.enabled is false" in answer.text
            sent = client.post(
                "/upload", data={"csrf": token(client, "/upload"), "table": "order_line", "source": "till"},
                files={"file": ("t.csv", TICKETS)}, headers={"origin": address},
            )  # fmt: skip
            _act(client, sent.headers["location"], "try")
            loaded = _act(client, sent.headers["location"], "load", {})
            assert "Refused rows" in loaded.text or "Show the table" in loaded.text
            assert "Run now" not in loaded.text


def test_a_waiting_file_is_in_the_clear_nowhere(
    client: httpx.Client, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted phones and names in well-formed and broken rows, in a file of many pieces, from its coming to its end."""
    words = ["13812345678", "canary.one@example.com", "欧阳金丝雀"]
    head = "会员卡号,手机号,邮箱,姓名\n"
    rows = "".join(f"M{i:05},{words[0]},{words[1]},{words[2]}\n" for i in range(30_000)) + f"{words[0]},{words[2]}\n"
    content = (head + rows).encode("gb18030")
    assert len(content) > 1 << 20  # Starlette would have written it to a temporary file
    planted = [word.encode(encoding) for word in words for encoding in ("utf-8", "gb18030")]

    def rolled(_: object) -> None:
        raise AssertionError("a file in the clear was written")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled)
    data = {"csrf": token(client, "/upload"), "table": "customer", "source": "crm"}
    headers = {"origin": str(client.base_url).rstrip("/")}
    files = {"file": ("members.csv", content, "text/csv")}
    place = client.post("/upload", data=data, files=files, headers=headers).headers["location"]
    assert _found_in(shop.spill, planted) == []
    assert _act(client, place, "try").status_code == 200
    assert _found_in(shop.spill, planted) == []
    assert _act(client, place, "discard").status_code == 303
    (shop.spill / "plain.csv").write_bytes(content[:2000])
    assert _found_in(shop.spill, planted) != []  # the search can find what it looks for
    (shop.spill / "plain.csv").unlink()


def _found_in(folder: Path, planted: list[bytes]) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(word in path.read_bytes() for word in planted)]


def test_a_large_file_comes_in_in_constant_memory(shop: Shop) -> None:
    now = shop.clock()
    tracemalloc.start()
    incoming = Incoming(shop, now)
    for _ in range(400):
        incoming.write(b"0123456789abcdef" * 4096)
    kept = keep_upload(incoming, "a.csv", table="product", source="erp", by="ada", now=now)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20  # of 26 MB
    discard(shop, kept)


def test_a_file_of_a_page_too_old_is_not_kept(client: httpx.Client, shop: Shop) -> None:
    headers = {"origin": str(client.base_url).rstrip("/")}
    before = set((shop.spill / "uploads").iterdir()) if (shop.spill / "uploads").exists() else set()
    data = {"csrf": "0" * 80, "table": "product", "source": "erp"}
    assert client.post("/upload", data=data, files={"file": ("a.csv", CSV)}, headers=headers).status_code == 403
    assert set((shop.spill / "uploads").iterdir()) <= before


def _send_tickets(client: httpx.Client) -> str:
    data = {"csrf": token(client, "/upload"), "table": "order_line", "source": "till"}
    headers = {"origin": str(client.base_url).rstrip("/")}
    return client.post("/upload", data=data, files={"file": ("小票.csv", TICKETS)}, headers=headers).headers["location"]


def test_goods_that_others_load_meanwhile_are_told_beside_the_receipt_of_the_tickets(
    own: tuple[Shop, httpx.Client],
) -> None:
    shop, client = own
    place = _send_tickets(client)
    with loading(shop, "product", "night job"):
        loaded = _act(client, place, "load", {"also": "product"})
    assert loaded.status_code == 200
    assert "¥2,500.50" in loaded.text
    assert "product was not loaded: table product is being loaded by night job" in loaded.text
    assert [row.target for row in shop.state.audit.rows() if row.what == "load"] == ["order_line"]
    assert client.get(place).status_code == 404  # the file is put away


@pytest.mark.parametrize("note", [None, "", '{"at": "2020-', "[]", '{"at": "2020-01-01"}'])
def test_a_note_that_cannot_be_read_stops_nothing(shop: Shop, note: str | None) -> None:
    """As a disk that was full or a process that died leaves it."""
    now = shop.clock()
    old, fresh = (_keep(shop, "a.csv", by="ada", now=now) for _ in range(2))
    for kept in (old, fresh):
        folder = shop.spill / "uploads" / kept.id
        (folder / "upload.json").unlink()
        if note is not None:
            (folder / "upload.json").write_text(note, encoding="utf-8")
    long_ago = (now - timedelta(hours=2)).timestamp()
    folder = shop.spill / "uploads" / old.id
    for path in (*folder.iterdir(), folder):
        os.utime(path, (long_ago, long_ago))
    sweep_uploads(shop, now)
    assert not folder.exists()
    assert (shop.spill / "uploads" / fresh.id).exists()
    with pytest.raises(MissingError):
        find_upload(shop, fresh.id, by="ada")
    discard(shop, fresh)


def test_a_file_that_comes_in_for_longer_than_an_hour_is_kept(shop: Shop) -> None:
    now = shop.clock()
    incoming = Incoming(shop, now - timedelta(hours=3))
    incoming.write(CSV)
    sweep_uploads(shop, now)
    kept = keep_upload(incoming, "a.csv", table="product", source="erp", by="ada", now=now)
    sweep_uploads(shop, now + timedelta(minutes=59))
    assert find_upload(shop, kept.id, by="ada") == kept
    discard(shop, kept)


def _waiting(shop: Shop) -> set[Path]:
    folder = shop.spill / "uploads"
    return set(folder.iterdir()) if folder.exists() else set()


def test_a_file_under_another_name_is_not_kept(client: httpx.Client, shop: Shop) -> None:
    headers = {"origin": str(client.base_url).rstrip("/")}
    before = _waiting(shop)
    data = {"csrf": token(client, "/upload"), "table": "product", "source": "erp"}
    assert client.post("/upload", data=data, files={"other": ("a.csv", CSV)}, headers=headers).status_code == 400
    assert _waiting(shop) <= before


@pytest.mark.parametrize("place", ["/segments/preview", "/data/run", "/sign-in"])
def test_a_form_with_a_file_is_refused_where_none_is_taken(client: httpx.Client, shop: Shop, place: str) -> None:
    headers = {"origin": str(client.base_url).rstrip("/")}
    before = _waiting(shop)
    data = {"csrf": token(client, "/upload"), "r.all": "x"}
    assert client.post(place, data=data, files={"file": ("a.csv", CSV)}, headers=headers).status_code == 400
    assert _waiting(shop) <= before


def test_what_came_in_is_removed_though_nothing_more_can_be_written(shop: Shop) -> None:
    incoming = Incoming(shop, shop.clock())
    incoming.write(CSV)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        incoming.drop()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (shop.spill / "uploads" / incoming.id).exists()
