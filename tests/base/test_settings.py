import json
from pathlib import Path

import pytest

from shopkeeper.base.errors import SettingsError
from shopkeeper.base.settings import FILE_NAME, Settings, commented_toml, read_settings, settings_table


def _written(folder: Path, text: str) -> Path:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return folder


def test_the_commented_file_reads_as_the_defaults(tmp_path: Path) -> None:
    assert read_settings(_written(tmp_path, commented_toml())) == Settings()


def test_given_values_stand_uncommented_and_are_read_back(tmp_path: Path) -> None:
    text = commented_toml({"chain.name": '小店 "1"', "rfm.recency_cuts": (1, 2, 3, 4)})
    settings = read_settings(_written(tmp_path, text))
    assert settings.chain.name == '小店 "1"'
    assert settings.rfm.recency_cuts == (1, 2, 3, 4)


def test_every_setting_has_a_sentence_and_stands_in_the_file() -> None:
    text = commented_toml()
    for setting in settings_table():
        assert setting.sentence.endswith("."), setting.name
        assert setting.sentence in text


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPKEEPER_ENGINE__MEMORY_LIMIT", "8GB")
    settings = read_settings(_written(tmp_path, '[engine]\nmemory_limit = "1GB"\nthreads = 1\n'))
    assert (settings.engine.memory_limit, settings.engine.threads) == ("8GB", 1)


def test_the_shop_named_in_the_environment_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPKEEPER_SHOP", str(tmp_path))
    assert read_settings(tmp_path) == Settings()


def test_every_fault_is_reported_at_once_with_its_path(tmp_path: Path) -> None:
    text = '[chain]\nnam = "x"\ntime_zone = "Asia/Shanghay"\n[engine]\nmemory_limit = "lots"\n[web]\nport = 99999\n'
    with pytest.raises(SettingsError) as caught:
        read_settings(_written(tmp_path, text))
    assert {fault.path for fault in caught.value.faults} == {
        "chain.nam",
        "chain.time_zone",
        "engine.memory_limit",
        "web.port",
    }
    assert "did you mean chain.name?" in str(caught.value)
    assert "did you mean Asia/Shanghai?" in str(caught.value)


def test_faults_of_the_environment_stand_beside_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("RFM__RECENCY_CUTS", "[1, 2"),
        ("WEB__PORT", "many"),
        ("ENGINE__MEMRY_LIMIT", "1GB"),
        ("ENGIN__KIND", "spark"),
        ("ENGINE_THREADS", "2"),
        ("KEY_VAULT", "no setting, but ours"),
    ):
        monkeypatch.setenv(f"SHOPKEEPER_{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings(_written(tmp_path, '[chain]\nlanguage = "fr"\n'))
    assert {fault.path: "did you mean" in fault.message for fault in caught.value.faults} == {
        "chain.language": False,
        "rfm.recency_cuts": False,
        "web.port": False,
        "engine.memry_limit": True,
        "SHOPKEEPER_ENGIN__KIND": True,
        "SHOPKEEPER_ENGINE_THREADS": True,
    }
    assert "did you mean SHOPKEEPER_ENGINE__KIND?" in str(caught.value)
    assert "did you mean SHOPKEEPER_ENGINE__THREADS?" in str(caught.value)


def test_every_setting_can_be_said_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in settings_table():
        default = setting.default
        monkeypatch.setenv(setting.environment, json.dumps(default) if isinstance(default, tuple) else str(default))
    assert read_settings(tmp_path) == Settings()


def test_a_wrong_secret_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPKEEPER_STORAGE__CATALOG_OPTIONS", '["warehouse=w", "s3cret"]')
    with pytest.raises(SettingsError, match=r"storage\.catalog_options: entry 2 must be name=value") as caught:
        read_settings(tmp_path)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("section", ["STORAGE", "SCHEDULE"])
def test_a_malformed_section_with_a_secret_in_it_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    monkeypatch.setenv(f"SHOPKEEPER_{section}", '{"state_url": "postgresql://u:s3cret@h/x"')
    with pytest.raises(SettingsError, match=section.lower()) as caught:
        read_settings(tmp_path)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="toml:"):
        read_settings(_written(tmp_path, "[chain"))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().chain.name = "other"  # type: ignore[misc]


def test_cut_points_must_rise(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must rise"):
        read_settings(_written(tmp_path, "[rfm]\nrecency_cuts = [9, 2, 3, 4]\n"))
