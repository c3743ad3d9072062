import gzip
import hashlib
import json
import re
from pathlib import Path

import httpx

from shopkeeper.web.assets import STATIC, asset_url, assets

VENDOR = STATIC / "vendor"
LOCK = json.loads((VENDOR / "vendor.lock.json").read_text())
WEB = STATIC.parent


def test_vendored_files_are_those_of_the_lock() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {*LOCK, "vendor.lock.json"}
    for name, locked in LOCK.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == locked["sha256"], name


def test_every_vendored_package_is_pinned_with_licence_and_integrity() -> None:
    packages = json.loads((WEB.parents[2] / "scripts" / "vendor" / "package-lock.json").read_text())["packages"]
    for locked in LOCK.values():
        for name, package in locked["made_of"].items():
            assert package["integrity"] == packages[f"node_modules/{name}"]["integrity"]
            assert package["version"] == packages[f"node_modules/{name}"]["version"]
            assert package["licence"]


def test_nothing_is_fetched_from_elsewhere() -> None:
    ours = [path for path in WEB.rglob("*") if path.suffix in {".html", ".css", ".js"} and "vendor" not in path.parts]
    address = re.compile(r"(?:src|href|url\(|import)\s*[=(]?\s*[\"']?(?:https?:)?//", re.IGNORECASE)
    assert [path.name for path in ours if address.search(path.read_text(encoding="utf-8"))] == []


def test_no_template_holds_inline_script_or_style() -> None:
    inline = re.compile(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*(?:src=|type=\"application/json\"))")
    templates = sorted((WEB / "templates").glob("*.html"))
    assert [path.name for path in templates if inline.search(path.read_text(encoding="utf-8"))] == []


def test_a_first_screen_stays_small(client: httpx.Client) -> None:
    page = len(gzip.compress(client.get("/people").content))
    shell = sum(len(assets()[name].packed) for name in ("tokens.css", "layout.css", "parts.css", "console.js"))
    shell += len(assets()["vendor/htmx.min.js"].packed)
    chart = sum(len(assets()[name].packed) for name in ("vendor/echarts.min.js", "charts.js"))
    assert page + shell <= 60_000
    assert len(gzip.compress(client.get("/").content)) + shell + chart <= 320_000


def test_an_address_names_its_content_and_is_kept_for_ever(visitor: httpx.Client) -> None:
    answer = visitor.get(asset_url("tokens.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.content == (STATIC / "tokens.css").read_bytes()


def test_an_old_address_gives_the_present_file_but_is_not_kept(visitor: httpx.Client) -> None:
    answer = visitor.get("/static/000000000000/tokens.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


def test_files_that_are_not_there_and_paths_upwards_are_not_found(visitor: httpx.Client) -> None:
    for path in ("/static/x/none.css", "/static/x/../render.py", "/static/x/%2e%2e/render.py"):
        assert visitor.get(path).status_code == 404
    assert Path(STATIC / ".." / "render.py").exists()
