"""Shopkeeper: the open customer data platform and decision engine for retail chains."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shopkeeper.app.notebook import Notebook

    open = Notebook.open  # noqa: A001 - shopkeeper.open is the name promised

__all__ = ["open"]


def __getattr__(name: str) -> Any:
    """Loads `open` on first use, so that `import shopkeeper.schema` stays light."""
    if name == "open":
        return import_module("shopkeeper.app.notebook").Notebook.open
    raise AttributeError(f"module 'shopkeeper' has no attribute '{name}'")
