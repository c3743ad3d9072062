"""What the tills closed, what the stores were to reach, and the planted faults of both."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac
from shopkeeper.sample.lines import PAYMENTS
from shopkeeper.sample.parquet import money
from shopkeeper.sample.places import Places
from shopkeeper.sample.text import Ints, cut

__all__ = ["Book", "Fault", "close_columns", "fault_columns", "faults", "target_columns"]

_TENDER_SHARE = (0.50, 0.26, 0.07, 0.08, 0.06, 0.03)


@dataclass
class Book:
    """Net sales in hundredths, returns taken off, and tickets, returns not counted, by store and day."""

    cents: Ints
    tickets: Ints

    @classmethod
    def empty(cls, stores: int, days: int) -> "Book":
        """A book with nothing in it."""
        return cls(np.zeros((stores, days), np.int64), np.zeros((stores, days), np.int64))

    def add(self, store: Ints, day: Ints, cents: Ints, *, returned: bool = False) -> None:
        """Books tickets, or what came back."""
        days = self.cents.shape[1]
        place = store.astype(np.int64) * days + day
        self.cents += np.bincount(place, cents, self.cents.size).astype(np.int64).reshape(self.cents.shape)
        if not returned:
            self.tickets += np.bincount(place, minlength=self.cents.size).reshape(self.cents.shape)


@dataclass(frozen=True)
class Fault:
    """One planted fault between lines and close.

    Args:
        store: Place of the store.
        day: Place of the day.
        kind: `close_differs`, `close_missing` or `lines_missing`.
        cents: What the close has more than the lines, in hundredths.
        tickets: Tickets that the close has more than the lines.
    """

    store: int
    day: int
    kind: str
    cents: int = 0
    tickets: int = 0


def faults(stores: Places, days: int) -> tuple[Fault, ...]:
    """Two stores whose close differs, one whose close of a day is missing, one whose last day's lines are missing."""
    last = stores.physical - 1
    return (
        Fault(0, days - 2, "close_differs", cents=8_800),
        Fault(min(2, last), days - 1, "close_differs", cents=-3_650, tickets=-2),
        Fault(min(3, last), days - 5, "close_missing"),
        Fault(last, days - 1, "lines_missing"),
    )


def close_columns(book: Book, planted: tuple[Fault, ...], days: Almanac, stores: Places) -> dict[str, pa.Array]:
    """The rows of `daily_close`: equal to the lines but for the planted faults."""
    cents, tickets = book.cents.copy(), book.tickets.copy()
    for fault in planted:
        if fault.kind == "lines_missing":
            week_before = max(fault.day - 7, 0)
            cents[fault.store, fault.day] = cents[fault.store, week_before]
            tickets[fault.store, fault.day] = tickets[fault.store, week_before]
        elif fault.kind == "close_missing":
            tickets[fault.store, fault.day] = 0
        elif tickets[fault.store, fault.day]:
            cents[fault.store, fault.day] += fault.cents
            tickets[fault.store, fault.day] += fault.tickets
    store, day = np.nonzero(tickets > 0)
    sales = cents[store, day]
    return {
        "store_id": cut(store, pa.array(stores.ids)).dictionary_decode(),
        "business_day": pa.array(days.epoch[day]).view(pa.date32()),
        "sales": money(sales),
        "tickets": pa.array(tickets[store, day]),
        "tenders": _tenders(sales),
    }


def _tenders(sales: Ints) -> pa.Array:
    """Amounts by means of payment; they add up to the sales."""
    parts = np.round(sales[:, None] * np.array(_TENDER_SHARE)).astype(np.int64)
    parts[:, 0] += sales - parts.sum(axis=1)
    text = np.char.mod("%.2f", parts.ravel() / 100)
    offsets = np.arange(len(sales) + 1, dtype=np.int32) * len(PAYMENTS)
    return pa.MapArray.from_arrays(pa.array(offsets), pa.array(np.tile(PAYMENTS, len(sales))), pa.array(text))


def fault_columns(planted: tuple[Fault, ...], days: Almanac, stores: Places) -> dict[str, pa.Array]:
    """The planted faults: the truth."""
    return {
        "store_id": pa.array([stores.ids[f.store] for f in planted]),
        "business_day": pa.array([days.days[f.day] for f in planted]),
        "kind": pa.array([f.kind for f in planted]),
        "sales_difference": pa.array([f.cents / 100 for f in planted]),
        "ticket_difference": pa.array([f.tickets for f in planted]),
    }


def target_columns(book: Book, days: Almanac, stores: Places) -> dict[str, pa.Array]:
    """The rows of `target`: 3 % above what each store sells on a day of that footfall, rounded to 10."""
    footfall = days.weight[stores.area]
    open_days = book.tickets > 0
    level = book.cents.sum(axis=1) / np.maximum((footfall * open_days).sum(axis=1), 1e-9)
    goal = np.round(level[:, None] * footfall * 1.03 / 1_000).astype(np.int64) * 1_000
    opened = np.maximum(stores.opened, 0)[:, None] <= np.arange(len(days.days))
    store, day = np.nonzero(opened & (goal > 0))
    count = len(store)
    return {
        "org_unit_id": cut(store, pa.array(stores.ids)).dictionary_decode(),
        "business_day": pa.array(days.epoch[day]).view(pa.date32()),
        "measure": pa.array(["sales"] * count),
        "value": money(goal[store, day]),
    }
