"""`shopkeeper hook` adds, lists and removes web hooks; the secret is shown once."""

from pathlib import Path

from tests.cli.conftest import Says


def test_add_list_and_remove(says: Says, tmp_path: Path) -> None:
    shop = ("--shop", tmp_path / "other")
    assert says("init", tmp_path / "other").code == 0
    made = says("hook", "add", "crm", "https://crm.example.com/hooks", *shop, "--json").document()
    assert made["name"] == "crm"
    assert made["secret"].startswith("whsec_")
    assert says("hook", "list", *shop, "--json").document() == [
        {
            "name": "crm",
            "url": "https://crm.example.com/hooks",
            "segments": [],
            "paused": False,
            "waiting": 0,
            "sent": 0,
            "given_up": 0,
        }
    ]
    listed = says("hook", "list", *shop)
    assert "https://crm.example.com/hooks" in listed.out
    assert made["secret"] not in listed.out
    assert says("hook", "remove", "crm", *shop).code == 0
    assert says("hook", "list", *shop, "--json").document() == []


def test_what_is_wrong_is_said(says: Says) -> None:
    plain = says("hook", "add", "crm", "http://crm.example.com/hooks")
    assert plain.code == 2
    assert "write https://HOST/PATH" in plain.err
    assert says("hook", "add", "crm", "https://crm.example.com/", "--segment", "nothing").code == 1
    assert says("hook", "remove", "nothing").code == 1
