"""The console in a real Chromium: every page, both languages, both widths, light and dark."""

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from shopkeeper.app.consent import change_consent
from shopkeeper.app.pages.models import model_page
from shopkeeper.app.requests import ask
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query
from tests import shop as shops
from tests.web.conftest import Opened, new_session

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/report",
    "/people",
    "/people/lifecycle",
    "/people/coverage",
    "/people/complete_journey:8",
    "/segments",
    "/segments/champions",
    "/segments/weekend_families/edit",
    "/segments/overlap",
    "/campaigns",
    "/models",
    "/models/response",
    "/data",
    "/data/tables/order_line",
    "/data/lineage",
    "/data/quality",
    "/data/refused",
    "/data/jobs",
    "/data/dictionary",
    "/upload",
    "/keys",
    "/users",
    "/web-hooks",
    "/consent-texts",
    "/audit",
)
CHARTS = ("/", "/people/complete_journey:8", "/models/response", "/segments/overlap", "/data/lineage")
PICTURED = {
    "/": "overview",
    "/people/complete_journey:8": "person",
    "/segments/weekend_families/edit": "builder",
    "/models/response": "model",
    "/report": "report",
}


def _violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:140]} {node['failureSummary'][:200]}" for each in found for node in each["nodes"]
    ]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1280), ("zh", "dark", 390)])
def test_every_page_is_accessible_and_fits(
    open_page: Opened, path: str, language: str, theme: str, width: int, pictures: Path | None
) -> None:
    page = open_page(path, language=language, theme=theme, width=width, only_looks=True)
    expect(page.locator("h1")).to_have_count(1)
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _violations(page) == []
    if pictures and path in PICTURED:
        page.screenshot(path=pictures / f"{PICTURED[path]}-{language}-{theme}-{width}.png")


@pytest.mark.parametrize(("language", "theme", "width"), [("en", "dark", 390), ("zh", "light", 1280)])
def test_the_overview_in_the_other_looks(
    open_page: Opened, language: str, theme: str, width: int, pictures: Path | None
) -> None:
    page = open_page("/", language=language, theme=theme, width=width)
    assert _violations(page) == []
    if pictures:
        page.screenshot(path=pictures / f"overview-{language}-{theme}-{width}.png")


_DRAWN = """(box) => {
  const chart = echarts.getInstanceByDom(box);
  const option = chart.getOption();
  const texts = chart.getZr().storage.getDisplayList(true)
    .filter((shape) => shape.type === "tspan" && !shape.ignore).map((shape) => shape.style.text);
  const table = box.closest("figure").querySelector("table");
  return {
    kind: option.series[0].type,
    labels: option.xAxis?.[0]?.data ?? null,
    series: option.series.map((each) => each.data.map((item) => item?.value ?? item)),
    names: option.series.map((each) => each.name),
    texts,
    headings: [...table.querySelectorAll("thead th")].map((cell) => cell.textContent),
    rows: [...table.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
    spec: JSON.parse(box.closest("figure").querySelector("script").textContent),
  };
}"""


def _drawn(page: Page) -> list[dict[str, Any]]:
    return [box.evaluate(_DRAWN) for box in page.locator("[data-chart]").all()]


@pytest.mark.parametrize(("language", "path"), [*(("en", path) for path in CHARTS), ("zh", "/"), ("zh", CHARTS[1])])
def test_every_chart_draws_its_data_and_has_them_as_a_table(open_page: Opened, path: str, language: str) -> None:
    charts = _drawn(open_page(path, language=language))
    assert charts
    for chart in charts:
        assert chart["rows"], "a chart without numbers behind it"
        if chart["spec"]["kind"] == "labelled":
            _holds_labels(chart)
        elif chart["spec"]["kind"] == "curves":
            _holds_curves(chart)
        elif chart["spec"]["kind"] == "flow":
            assert {node["name"] for node in chart["spec"]["nodes"]} <= set(chart["texts"])
            assert [[link["source"], link["target"]] for link in chart["spec"]["links"]] == chart["rows"]
        else:
            assert chart["headings"][1:] == [row[0] for row in chart["rows"]] == chart["spec"]["labels"]


def _holds_labels(chart: dict[str, Any]) -> None:
    labels = chart["labels"]
    assert labels == [row[0] for row in chart["rows"]] == chart["spec"]["labels"]
    assert len(set(labels)) == len(labels)
    assert chart["series"] == [series["values"] for series in chart["spec"]["series"]]
    drawn = [text for text in chart["texts"] if text in set(labels)]
    assert drawn == sorted(drawn, key=labels.index), "labels are drawn out of order"
    assert drawn[0] == labels[0]
    assert len(drawn) >= min(len(labels), 5)


def _holds_curves(chart: dict[str, Any]) -> None:
    curves = {curve["name"]: curve for curve in chart["spec"]["curves"]}
    assert len(curves) == len(chart["spec"]["curves"]), "two curves of one name"
    assert curves.keys() <= set(chart["texts"]), "a curve that the legend does not name"
    drawn = dict(zip(chart["names"], chart["series"], strict=True))
    assert {name: drawn[name] for name in curves} == {name: curve["points"] for name, curve in curves.items()}
    assert all(len(row) == len(chart["headings"]) for row in chart["rows"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_gain_chart_draws_the_model_and_every_baseline_of_the_card(
    open_page: Opened, shop: Shop, language: str
) -> None:
    chart = open_page("/models/response", language=language).locator("#chart-gain [data-chart]").evaluate(_DRAWN)
    card = model_page(shop, "response").card
    expected = [card["gain"], *card["baseline_gain"].values()]
    drawn = sorted(tuple(captured for _share, captured in points) for points in chart["series"])
    wanted = sorted(tuple(point["captured"] for point in points) for points in expected)
    assert [value for each in drawn for value in each] == pytest.approx([value for each in wanted for value in each])
    assert {tuple(share for share, _captured in points) for points in chart["series"]} == {
        tuple(point["share"] for point in card["gain"])
    }
    assert chart["headings"][1:] == chart["names"]
    for place, points in enumerate(chart["series"], start=1):
        shown = [float(row[place].rstrip("%")) for row in chart["rows"]]
        assert shown == pytest.approx([captured * 100 for _share, captured in points], abs=0.051)


def test_the_weeks_drawn_add_up_to_the_sales_of_the_lake(open_page: Opened, shop: Shop) -> None:
    (chart,) = _drawn(open_page("/"))
    query = Query.from_sql("SELECT CAST(SUM(net_amount) AS DOUBLE) AS sales FROM order_line", name="all sales")
    (row,) = shop.arrow(query).to_pylist()
    assert sum(sum(series) for series in chart["series"]) == pytest.approx(row["sales"])


def test_signing_in_with_the_keyboard_and_out_again(open_page: Opened) -> None:
    page = open_page("/people?stage=active", signed=False)
    assert page.url.endswith("/sign-in?next=%2Fpeople%3Fstage%3Dactive")
    assert _violations(page) == []
    page.keyboard.type(shops.USER)
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(shops.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/people?stage=active")
    page.get_by_role("button", name="Sign out").first.click()
    page.wait_for_url("**/sign-in")


def test_language_and_theme_stay_as_chosen(open_page: Opened) -> None:
    page = open_page("/data")
    page.get_by_role("button", name="中文").first.click()
    expect(page.locator("h1")).to_have_text("数据")
    page.get_by_role("button", name="深色").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("link", name="会员", exact=True).first.click()
    expect(page.locator("h1")).to_have_text("会员")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_script_in_data_is_text(open_page: Opened) -> None:
    page = open_page("/people?search=%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert page.locator("#search").input_value() == "<script>alert(1)</script>"
    assert page.locator("main script").count() == 0


def test_scripts_and_styles_from_elsewhere_or_inline_are_blocked(chromium: Browser, address: str) -> None:
    page = chromium.new_page()
    page.goto(f"{address}/sign-in")
    blocked = page.evaluate(
        """async () => {
          const found = [];
          document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
          const outside = Object.assign(document.createElement("script"), { src: "https://elsewhere.example/x.js" });
          const inline = Object.assign(document.createElement("script"), { textContent: "window.ran = true" });
          const box = document.createElement("div");
          box.setAttribute("style", "color: red");
          document.body.append(outside, inline, box);
          await new Promise((done) => setTimeout(done, 500));
          return [...new Set(found)].sort().concat(window.ran ? ["ran"] : []);
        }"""
    )
    page.close()
    assert blocked == ["script-src-elem", "style-src-attr"]


def test_the_builder_counts_while_one_builds_and_saves(open_page: Opened, shop: Shop) -> None:
    page = open_page("/segments/new")
    page.get_by_role("button", name="+ Trait").click()
    page.get_by_label("Trait", exact=True).select_option("orders_365d")
    value = page.get_by_label("Value", exact=True)
    value.fill("10")
    expect(page.locator("#live strong")).not_to_have_text("")
    many = _count(page, "at least 10 orders")
    value.fill("100")
    few = _count(page, "at least 100 orders")
    assert 0 < few < many
    page.get_by_role("button", name="Turn into its opposite").click()
    others = _count(page, "not (")
    assert few + others == _everybody(page)
    either = page.get_by_role("button", name="Any of these").first
    either.click()
    expect(either).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Short name").fill("browser_made")
    page.get_by_label("Title in English").fill("Made in a browser")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/segments/browser_made")
    saved = shop.state.segments.get("browser_made")
    assert saved.tree == {"any": [{"not": {"trait": "orders_365d", "op": ">=", "value": 100}}]}
    expect(page.locator(".figure .value").first).to_have_text(f"{others:,}")
    page.get_by_role("button", name="Put away").click()
    page.wait_for_url("**/segments?away=browser_made")
    assert _violations(page) == []
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url("**/segments/browser_made")
    page.get_by_role("button", name="Put away").click()
    page.wait_for_url("**/segments?away=browser_made")


def _count(page: Page, words: str) -> int:
    expect(page.locator("#live .live-words")).to_contain_text(words)
    return int(page.locator("#live strong").inner_text().replace(",", ""))


def _everybody(page: Page) -> int:
    return int(page.locator("#live .unit").first.inner_text().split()[1].replace(",", ""))


def test_the_builder_keeps_what_is_not_finished_and_says_what_is_wrong(open_page: Opened) -> None:
    page = open_page("/segments/new")
    page.get_by_role("button", name="+ What they did").click()
    page.get_by_role("button", name="and only …").click()
    expect(page.locator("#live")).to_contain_text("Not finished yet")
    expect(page.locator(".rule .fault")).to_have_count(1)
    page.get_by_label("Value", exact=True).fill("no such category")
    assert _count(page, "no such category") == 0
    expect(page.locator(".rule .fault")).to_have_count(0)


def test_several_values_of_a_choice_are_ticked_with_the_keyboard(open_page: Opened) -> None:
    page = open_page("/segments/new", language="zh")
    page.get_by_role("button", name="+ 会员特征").press("Enter")
    page.get_by_label("会员特征", exact=True).select_option("lifecycle")
    page.get_by_label("比较方式", exact=True).select_option("in")
    for stage in ("活跃", "沉睡"):
        page.get_by_role("checkbox", name=stage).focus()
        page.keyboard.press("Space")
    assert 0 < _count(page, "“活跃”、“沉睡”之一") < _everybody(page)
    assert _violations(page) == []


def test_the_builder_works_without_script(chromium: Browser, address: str, shop: Shop) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies([{"name": "shopkeeper_session", "value": new_session(shop), "url": address}])
    page = context.new_page()
    page.goto(f"{address}/segments/new")
    page.get_by_role("button", name="+ Trait").click()
    page.locator("select[name='r.all[0].trait']").select_option("lifecycle")
    page.get_by_role("button", name="Any of these").first.click()
    assert page.locator("select[name='r.any[0].trait']").input_value() == "lifecycle"
    context.close()


def test_what_could_not_be_read_is_said_in_its_place(chromium: Browser, address: str, shop: Shop) -> None:
    context = chromium.new_context(locale="zh-CN")
    context.add_cookies([{"name": "shopkeeper_session", "value": new_session(shop), "url": address}])
    page = context.new_page()
    for path in ("**/overview/weeks", "**/baskets/**", "**/segments/preview"):
        page.route(path, lambda route: route.fulfill(status=500, body="<h1>out of place</h1>"))
    page.goto(f"{address}/")
    expect(page.locator("[data-lazy]").first).to_have_text("内容读取失败，请刷新页面重试。")
    page.goto(f"{address}/people/complete_journey:8")
    page.locator(".timeline summary").first.click()
    expect(page.locator(".timeline .lines").first).to_have_text("无法读取明细。")
    page.goto(f"{address}/segments/new")
    page.get_by_role("button", name="+ 会员特征").click()
    page.get_by_label("会员特征", exact=True).select_option("orders_365d")
    page.get_by_label("值", exact=True).fill("10")
    expect(page.locator("#live")).to_contain_text("未能计算人数")
    page.unroute_all()
    page.get_by_label("值", exact=True).fill("11")
    expect(page.locator("#live strong")).not_to_have_text("")
    assert page.get_by_text("out of place").count() == 0
    context.close()


def test_a_basket_opens_to_its_lines(open_page: Opened) -> None:
    page = open_page("/people/complete_journey:8")
    page.locator(".timeline summary").first.click()
    expect(page.locator(".timeline .lines table").first).to_be_visible()
    before = page.locator(".timeline > li").count()
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".timeline > li")).not_to_have_count(before)


@pytest.mark.parametrize(("language", "name"), [("en", "Redemptions"), ("zh", "核销")])
def test_the_timeline_shows_one_kind_when_asked(open_page: Opened, shop: Shop, language: str, name: str) -> None:
    page = open_page(f"/people/{_redeemer(shop)}", language=language)
    kinds = page.locator(".kinds a")
    counts = [int(text.replace(",", "")) for text in page.locator(".kinds a span").all_inner_texts()]
    assert counts[0] == sum(counts[1:])
    kinds.filter(has_text=name).click()
    expect(kinds.filter(has_text=name)).to_have_attribute("aria-current", "true")
    expect(page.locator(".timeline > li:not(.entry-redemption, .more)")).to_have_count(0)
    expect(page.locator(".timeline > .entry-redemption").first).to_be_visible()
    assert _violations(page) == []


def _redeemer(shop: Shop) -> str:
    query = Query.from_sql(
        "SELECT source, customer_id FROM redemption GROUP BY source, customer_id ORDER BY COUNT(*) DESC, customer_id",
        name="redeemers",
    )
    row = shop.arrow(query).to_pylist()[0]
    return f"{row['source']}:{row['customer_id']}"


def test_members_are_downloaded_as_csv_for_a_chinese_excel(open_page: Opened) -> None:
    page = open_page("/segments/champions")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    content = Path(waiting.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    people = int(page.locator(".figure .value").first.inner_text())
    assert len(content.decode("utf-8-sig").splitlines()) == people + 1


def test_printing_leaves_the_menu_out(open_page: Opened) -> None:
    page = open_page("/report")
    page.emulate_media(media="print")
    expect(page.locator(".side")).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()


def test_paper_is_light_when_the_screen_is_dark(open_page: Opened) -> None:
    page = open_page("/", theme="dark")
    colours = """[
      getComputedStyle(document.body).backgroundColor,
      getComputedStyle(document.querySelector(".up, .down")).color,
    ]"""
    on_screen = page.evaluate(colours)
    page.emulate_media(media="print", color_scheme="dark")
    ground, change = page.evaluate(colours)
    assert ground == "rgb(255, 255, 255)" != on_screen[0]
    assert change != on_screen[1]
    assert _violations(page) == []


def test_the_spec_of_a_chart_is_plain_json(open_page: Opened) -> None:
    page = open_page("/")
    text = page.locator("#chart-weeks script").text_content()
    assert text is not None
    assert json.loads(text)["kind"] == "labelled"


def test_a_preview_of_cut_points_that_fails_says_so(open_page: Opened) -> None:
    page = open_page("/people/lifecycle")
    page.route("**/people/lifecycle/preview", lambda route: route.fulfill(status=409, body="no"))
    page.get_by_role("button", name="Who would move?").first.click()
    shown = page.get_by_text("It could not be worked out. Try again.")
    shown.wait_for()
    assert shown.evaluate("each => each.id") == "moves-lifecycle"


@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1280), ("zh", "dark", 390)])
def test_consent_and_requests_can_be_read_and_used(
    open_page: Opened, shop: Shop, language: str, theme: str, width: int
) -> None:
    person = "complete_journey:16"
    change_consent(shop, person, "marketing", "sms", granted=True, by="tester")
    for kind in ("access", "correction", "erasure"):
        ask(shop, person, kind, by="tester", note="a long note " * 9)
    for path in (f"/people/{person}", "/requests"):
        page = open_page(path, language=language, theme=theme, width=width)
        for folded in page.locator("details").all():
            folded.evaluate("each => each.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert _violations(page) == []
    expect(page.locator("tbody tr")).not_to_have_count(0)
    page = open_page(f"/people/{person}", language=language, theme=theme, width=width)
    before = page.locator("#consent .badge-good").count()
    page.locator("#consent tbody tr", has=page.locator(".badge-good")).first.locator("button").click()
    expect(page.locator("#consent .badge-good")).to_have_count(before - 1)
