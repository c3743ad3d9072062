"""HTTP API and console: parses what comes in, calls `app`, renders what comes out."""

from shopkeeper.web.application import create_app

__all__ = ["create_app"]
