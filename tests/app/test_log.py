"""The log: for people or as JSON, on standard error, and nothing personal whoever passes it."""

import io
import json
import logging

import pytest

from shopkeeper.app.log import PRIVATE_KEYS, WithoutWords, configure_log, logger
from shopkeeper.base.settings import LogSettings


def test_json_is_one_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log(LogSettings(format="json"))
    logger("worker").info("job done", job="run")
    logger("worker").warning("job failed", job="小票")
    out, err = capsys.readouterr()
    first, second = (json.loads(line) for line in err.splitlines())
    assert out == ""
    assert first | {"timestamp": ""} == {
        "event": "job done", "job": "run", "level": "info", "room": "worker", "timestamp": "",
    }  # fmt: skip
    assert (second["level"], second["job"]) == ("warning", "小票")


def test_people_read_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log(LogSettings(format="people"))
    logger("worker").info("job done", job="run")
    said = capsys.readouterr().err
    assert "job done" in said
    assert not said.startswith("{")


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log(LogSettings(format="json", level="error"))
    logger("worker").warning("job failed")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", ["json", "people"])
@pytest.mark.parametrize("key", sorted(PRIVATE_KEYS))
def test_a_private_key_never_shows_its_value(key: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_log(LogSettings(format=form))  # type: ignore[arg-type]
    logger("collect").info("refused", **{key: "13812345678", "shown": "row 3"})
    said = capsys.readouterr().err
    assert "13812345678" not in said
    assert "row 3" in said


def test_the_log_of_the_server_says_what_failed_without_its_words() -> None:
    written = io.StringIO()
    server = logging.getLogger("tests.server")
    server.propagate = False
    server.addHandler(logging.StreamHandler(written))
    server.addFilter(WithoutWords())
    try:
        int("13812345678 is no number")
    except ValueError:
        server.exception("Exception in ASGI application\n")
    server.warning("Shutting down %s", "now")
    said = written.getvalue()
    assert said.splitlines()[0].startswith("Exception in ASGI application: ValueError in test_log.py, line ")
    assert "13812345678" not in said
    assert said.splitlines()[1:] == ["Shutting down now"]
