"""What a reason for refusing an event means, and what mends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shopkeeper.web.language import N_

__all__ = ["REASONS", "Refusal"]

_PLAN = N_(
    "Look at one for its name, which is masked until the plan has it. Add it to tracking.toml in the shop folder if it "
    "is meant to come, then replay; else mend the source."
)
_SOURCE = N_("Mend the source; what it sent before stays here and comes in only if the rule changes.")
_WRITTEN = N_("Have the source write it as the events page of the docs says.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason.

    Args:
        meaning: What is wrong.
        remedy: What mends it.
        where: Who can: `plan`, `key` or `source`.
    """

    meaning: str
    remedy: str
    where: str


REASONS: Mapping[str, Refusal] = MappingProxyType(
    {
        "unplanned_event": Refusal(N_("The tracking plan does not know the event"), _PLAN, "plan"),
        "unplanned_property": Refusal(N_("The tracking plan does not know a property"), _PLAN, "plan"),
        "server_only": Refusal(
            N_("A browser key may not send this event"),
            N_("Orders, coupons, points and consent come from a server: make a server key and send it from there."),
            "key",
        ),
        "missing_property": Refusal(
            N_("A required property is missing"),
            N_("Have the source send it; where the tracking plan alone requires it, take it off the list there."),
            "source",
        ),
        "wrong_type": Refusal(
            N_("A value is of another type"),
            N_("Have the source send the type the plan declares, or declare the type that comes."),
            "source",
        ),
        "other_currency": Refusal(
            N_("Amounts in another currency"),
            N_("Have the source send amounts in the shop's currency; the others cannot be kept."),
            "source",
        ),
        "no_type": Refusal(N_("The event says no type"), _WRITTEN, "source"),
        "unknown_type": Refusal(N_("The type is none of the API"), _WRITTEN, "source"),
        "no_name": Refusal(N_("The event has no name"), _WRITTEN, "source"),
        "long_name": Refusal(N_("The name is too long"), N_("Keep names of events to 200 characters."), "source"),
        "no_id": Refusal(
            N_("Nobody's: neither userId nor anonymousId"),
            N_("Have the source send one of the two with each event."),
            "source",
        ),
        "bad_id": Refusal(N_("An id that cannot be read"), _WRITTEN, "source"),
        "no_time": Refusal(N_("A time that cannot be read"), N_("Write times as 2026-11-28T09:00:00+08:00."), "source"),
        "not_a_number": Refusal(N_("A number that is none"), _WRITTEN, "source"),
        "number_too_large": Refusal(N_("A number too large"), _WRITTEN, "source"),
        "negative": Refusal(N_("A discount below zero"), N_("Discounts are written as positive amounts."), "source"),
        "no_quantity": Refusal(N_("A line with quantity zero"), _SOURCE, "source"),
        "number_of_lines": Refusal(
            N_("An order without lines, or with too many"), N_("An order has 1 to 1,000 products."), "source"
        ),
        "line_numbers": Refusal(
            N_("Line numbers that are missing or come twice"), N_("Number all lines of an order, or none."), "source"
        ),
        "too_large": Refusal(N_("The event is larger than 32 KB"), N_("Have the source send less with it."), "source"),
        "too_deep": Refusal(
            N_("Objects nested too deep"), N_("Nest objects and lists no deeper than 24 levels."), "source"
        ),
        "bad_text": Refusal(N_("Text that is no Unicode"), N_("Have the source send UTF-8."), "source"),
        "no_json": Refusal(N_("A value that JSON does not have"), _WRITTEN, "source"),
        "not_an_object": Refusal(N_("The event is no object"), _WRITTEN, "source"),
        "unforeseen": Refusal(
            N_("It could not be read, for a reason nobody foresaw"),
            N_("Please report it with the masked form; after an upgrade, replay it."),
            "source",
        ),
    }
)
"""Every reason by its word."""
