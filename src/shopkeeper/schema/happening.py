"""What a kind of event is: a canonical name, its properties, and who may send it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Happening", "Property", "PropertyType"]


class PropertyType(StrEnum):
    """The types of properties; the value is the name a tracking plan uses."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    LIST = "list"
    OBJECT = "object"
    PRODUCTS = "products"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Property:
    """One property of events.

    Args:
        name: Its name, as the Segment specification has it.
        type: Its type; `TEXT` is what a person wrote: the raw text goes to the vault, the event keeps it redacted.
        english: One sentence in English.
        chinese: The same in Chinese.
    """

    name: str
    type: PropertyType
    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Happening:
    """One kind of event.

    Args:
        name: Its canonical name.
        group: The group it is shown in, of `events.GROUPS`.
        english: One sentence in English.
        chinese: The same in Chinese.
        properties: Names of its properties.
        required: Those without which it says nothing.
        aliases: Other names it comes by, such as those of the first Segment specification.
        server_only: Whether it counts money or rights, so that no browser key may send it.
        becomes: The table whose rows it becomes, besides `event`.
        channel: The channel it can only happen in.
        nobodys: Whether it may be nobody's: a ticket without a member, what a door counter saw.
    """

    name: str
    group: str
    english: str
    chinese: str
    properties: tuple[str, ...]
    required: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    server_only: bool = False
    becomes: str | None = None
    channel: str | None = None
    nobodys: bool = False
