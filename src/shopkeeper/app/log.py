"""The log: structlog on standard error, for people or as JSON, never with personal data."""

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog

from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.base.settings import LogSettings

__all__ = ["PRIVATE_KEYS", "WithoutWords", "configure_log", "logger", "noted"]

PRIVATE_KEYS = frozenset(
    {"phone", "email", "name", "address", "identifier", "raw", "value", "body", "password", "token", "key", "cookie"}
)
"""Keys whose values never reach the log, whoever passes them."""


def configure_log(settings: LogSettings) -> None:
    """Sets up the log once for the process."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_private,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        # Asked anew for each logger: who redirects standard error later has the log there too.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(room: str) -> Any:
    """Gives the logger of a room."""
    return structlog.get_logger(room=room)


class WithoutWords(logging.Filter):
    """Has another's logger say what failed and where, without the words of the error, which may quote what it met."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets everything pass, changed."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            record.msg, record.args = f"{record.getMessage().strip()}: {noted(error)}", ()
            record.exc_info = record.exc_text = None
        return True


def noted(error: BaseException) -> str:
    """What the log and the records keep of an error: no words of a foreign one, which may quote the row it met."""
    if isinstance(error, ShopkeeperError):
        return error.noted
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"


def _without_private(_logger: Any, _method: str, entry: Any) -> Any:
    for key in PRIVATE_KEYS & entry.keys():
        entry[key] = "(left out)"
    return entry
