"""The same use cases from a terminal."""

from shopkeeper.cli.main import main

__all__ = ["main"]
