"""The terminal in front of a small shop that was filled through it: `says` runs a command and gives what it said."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.cli.main import main

LINES = "小票号,行号,会员卡号,门店编码,商品编码,交易时间,数量,实收金额\n"
PRODUCTS = "商品编码,商品名称,部门,零售价\n"
CUSTOMERS = "会员卡号,注册时间\n"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left: its exit code and both outputs."""

    code: int
    out: str
    err: str

    def document(self) -> Any:
        """Standard output as the one JSON document it must be."""
        return json.loads(self.out)


Says = Callable[..., Said]


def _lines() -> Iterator[str]:
    for day in range(1, 29):
        for ticket in range(3):
            member = f"c{(day * 5 + ticket) % 7}" if ticket else ""
            for line in (1, 2):
                product, amount = f"p{(day + ticket * line) % 5}", 4 + day % 7 + line
                yield (
                    f"{day:02}{ticket},{line},{member},s{day % 2 + 1},{product},"
                    f"2026-02-{day:02} 1{ticket}:00:00,{line},{amount}.50\n"
                )


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop made, filled and run through the terminal; read it, do not change it."""
    place = tmp_path_factory.mktemp("cli")
    files = {
        "order_line": LINES + "".join(_lines()),
        "product": PRODUCTS
        + "".join(f"p{n},{'=1+2 凉皮' if n == 0 else f'商品 {n}'},部门 {n % 2},{5 + n}\n" for n in range(5)),
        "customer": CUSTOMERS + "".join(f"c{n},2026-01-{n + 1:02} 09:00:00\n" for n in range(8)),
    }
    folder = place / "shop"
    assert main(["init", str(folder), "--time-zone", "Asia/Shanghai", "--lang", "zh", "--json"]) == 0
    for name, text in files.items():
        file = place / f"{name}.csv"
        file.write_text(text, encoding="utf-8-sig")
        assert main(["load", name, str(file), "--shop", str(folder), "--json"]) == 0, name
    assert main(["run", "--shop", str(folder), "--json"]) == 0
    return folder


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shop_folder: Path) -> Says:
    """Runs a command on the small shop."""
    monkeypatch.setenv("SHOPKEEPER_SHOP", str(shop_folder))
    capsys.readouterr()

    def run(*arguments: str | Path) -> Said:
        code = main([str(each) for each in arguments])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
