"""A made-up omnichannel chain of any size with planted truths, written straight to Parquet."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.base.errors import UsageError
from shopkeeper.sample import campaigns as campaign
from shopkeeper.sample.almanac import (
    Almanac,
    Month,
    almanac,
    calendar_columns,
    footfall_columns,
    weather_columns,
)
from shopkeeper.sample.closing import Book, close_columns, fault_columns, faults, target_columns
from shopkeeper.sample.delivery import charge_columns, fulfilment_columns, platform_names
from shopkeeper.sample.goods import Goods, goods, product_columns, shelf_columns
from shopkeeper.sample.identifiers import identifier_columns, record_truth_columns
from shopkeeper.sample.lines import Basket, Lines, Words, line_columns, lines, order_ids, return_columns
from shopkeeper.sample.parquet import TableFile, save, save_plain
from shopkeeper.sample.people import People, customer_columns, people, person_truth_columns
from shopkeeper.sample.places import Places, org_unit_columns, places, staff_columns, store_columns
from shopkeeper.sample.prices import Prices, base_decks, decks, prices
from shopkeeper.sample.reviews import Reviews, join, review_columns, review_truth_columns, reviews
from shopkeeper.sample.size import SIZES, ChainSize, Language
from shopkeeper.sample.stock import StockOuts, inventory_columns, stock_out_columns, stock_outs
from shopkeeper.sample.tags import elasticity_columns, price_columns, promotion_columns, week_price_columns
from shopkeeper.sample.tickets import Tickets, chunks, guest_rate, tickets, visit_value
from shopkeeper.schema.tables import table

__all__ = ["TRUTHS", "Chain", "chain"]

TABLES = (
    "customer",
    "product",
    "store",
    "org_unit",
    "staff",
    "calendar",
    "weather",
    "target",
    "daily_close",
    "shelf",
    "inventory",
    "price",
    "promotion",
    "campaign",
    "campaign_target",
    "offer",
    "offer_product",
    "redemption",
    "touch",
    "interaction",
    "order_line",
    "order_charge",
    "fulfilment",
)
TRUTHS = ("record", "person", "campaign", "elasticity", "week_price", "footfall", "stock_out", "review", "close_fault")
_STREAMS = ("places", "people", "goods", "prices", "campaigns", "months", "rows")

Columns = dict[str, pa.Array]


def chain(size: ChainSize | str = "demo", *, seed: int = 1, language: Language = "zh", **changes: object) -> "Chain":
    """Makes a chain; nothing is written yet.

    Args:
        size: A `ChainSize`, or the name of one: demo, 2m, 20m, 100m.
        seed: The same seed gives the same bytes.
        language: Of all names.
        **changes: Fields of `ChainSize` to change, such as `lines=50_000`.

    Raises:
        UsageError: The size has no such name, or a number makes no chain.
    """
    if isinstance(size, str):
        if size not in SIZES:
            raise UsageError(f"there is no chain of size '{size}'", next_step=f"take one of {', '.join(SIZES)}")
        size = SIZES[size]
    return Chain(size.but(**changes), seed, language)


@dataclass(frozen=True)
class Chain:
    """A made-up chain: its people, goods and places are made when first asked for, its orders when written.

    Args:
        size: How large it is and what is planted.
        seed: Where chance begins.
        language: Of all names.
    """

    size: ChainSize
    seed: int = 1
    language: Language = "zh"

    def rng(self, stream: str) -> np.random.Generator:
        """Chance of one stream, so that one noun's draws do not move another's."""
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence([self.seed, _STREAMS.index(stream)])))

    @cached_property
    def days(self) -> Almanac:
        """The days."""
        return almanac(self.size, self.language)

    @cached_property
    def places(self) -> Places:
        """The stores."""
        return places(self.size, self.language, self.rng("places"))

    @cached_property
    def people(self) -> People:
        """The true persons."""
        return people(self.size, self.days, self.places, self.rng("people"))

    @cached_property
    def goods(self) -> Goods:
        """The products."""
        return goods(self.size, self.language, self.rng("goods"))

    @cached_property
    def prices(self) -> Prices:
        """The prices by week."""
        return prices(self.goods, int(self.days.weeks[-1]) + 1, self.rng("prices"))

    @cached_property
    def campaigns(self) -> tuple[campaign.Campaign, ...]:
        """The campaigns."""
        return campaign.campaigns(self.size, self.days, self.goods, self.rng("campaigns"))

    def write(
        self,
        folder: Path,
        tables: Collection[str] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> dict[str, list[Path]]:
        """Writes the chain: one file a table, monthly files of `order_line` and other tables cut by month.

        Raw identifiers go to `folder/raw/identifiers.parquet`, the truths to `folder/truth/NAME.parquet`; both are
        written when all tables are.

        Args:
            folder: Where to; it is made.
            tables: Only these tables; all when not given.
            progress: Told what is being written, and how far of how much.

        Returns:
            The files of each table.

        Raises:
            UsageError: A table is none that a chain has.
        """
        wanted = set(TABLES if tables is None else tables)
        if not wanted <= set(TABLES):
            raise UsageError(
                f"a made-up chain has no table {', '.join(sorted(wanted - set(TABLES)))}",
                next_step=f"take some of {', '.join(TABLES)}",
            )
        run = _Run(self, Path(folder), wanted, truths=tables is None)
        for place, month in enumerate(self.days.months):
            if progress is not None:
                progress(month.name, place, len(self.days.months))
            run.month(place, month)
        run.finish()
        return run.files


@dataclass
class _Run:
    """One writing of a chain: month after month, with what must be remembered from one to the next."""

    chain: Chain
    folder: Path
    wanted: set[str]
    truths: bool
    files: dict[str, list[Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made, size = self.chain, self.chain.size
        self.dice = made.rng("months")
        self.habits = base_decks(made.goods)
        self.names = Words.of(made.goods, made.places)
        self.book = Book.empty(len(made.places.ids), size.days)
        self.planted = faults(made.places, size.days)
        self.spent: list[npt.NDArray[np.float64]] = []
        self.hidden = np.zeros(size.people, bool)
        self.draws: list[campaign.Draw] = []
        self.said: list[Reviews] = []
        self.missing: list[Columns] = []
        self.number = 0
        self.rate = guest_rate(size, made.days, made.places, self._guests())

    def _guests(self) -> float:
        """Guests' tickets over all days: as many to the members' as their shares say."""
        made, size = self.chain, self.chain.size
        total = np.concatenate([np.zeros((4, 1)), np.cumsum(made.days.weight, axis=1)], axis=1)
        first, end = made.people.alive(0, size.days)
        area = made.places.area[made.people.home]
        visits = made.people.rate * np.maximum(total[area, end] - total[area, first], 0)
        return float(visits.sum() * size.guest_share / (1 - size.guest_share))

    def month(self, place: int, month: Month) -> None:
        """Writes one month."""
        made = self.chain
        runs = next((c for c in made.campaigns if c.month == place), None)
        follows = any(c.month == place + 1 for c in made.campaigns)
        if follows:
            self.hidden = campaign.episode(made.size, made.size.people, self.dice)
        drawn = self._draw(runs, month) if runs is not None else None
        hidden = self.hidden if follows or runs is not None else np.zeros_like(self.hidden)
        sold = tickets(month, made.days, made.places, made.people, self.rate, hidden, drawn, self.dice)
        sold = self._without_late(sold, month)
        outs = stock_outs(month, made.places, made.goods, self.dice)
        if self.truths:
            self.missing.append(stock_out_columns(month, made.days, outs, made.places, made.goods))
        self._lines(month, sold, self._basket(month, outs, runs), drawn)
        if place == len(made.days.months) - 1:
            self._save(
                "inventory",
                lambda: inventory_columns(month, made.days, outs, made.places, made.goods, made.rng("rows")),
            )

    def _draw(self, runs: campaign.Campaign, month: Month) -> campaign.Draw:
        made = self.chain
        recent = np.sum(self.spent[-2:], axis=0)
        mass = campaign.window_mass(made.days, month, made.places, made.people)
        drawn = campaign.draw(made.size, runs, made.people, recent, self.hidden, mass, self.dice)
        self.draws.append(drawn)
        return drawn

    def _without_late(self, sold: Tickets, month: Month) -> Tickets:
        """Leaves out the lines that a store has not sent yet."""
        for fault in self.planted:
            if fault.kind == "lines_missing" and month.first <= fault.day < month.end:
                sold = sold.taken(~((sold.store == fault.store) & (sold.day == fault.day - month.first)))
        return sold

    def _basket(self, month: Month, outs: StockOuts, runs: campaign.Campaign | None) -> Basket:
        made = self.chain
        first, last = int(made.days.weeks[month.first]), int(made.days.weeks[month.end - 1])
        fresh = decks(made.goods, made.prices, made.days, first, last + 1)
        return Basket(made.goods, made.prices, fresh, self.habits, first, outs, runs)

    def _lines(self, month: Month, sold: Tickets, basket: Basket, drawn: campaign.Draw | None) -> None:
        made, size = self.chain, self.chain.size
        week_of = made.days.weeks[month.first : month.end] - basket.first_week
        spent = np.zeros(size.people)
        nets: list[npt.NDArray[np.integer]] = []
        back: list[Columns] = []
        path = self.folder / f"order_line-{month.name}.parquet"
        with TableFile(path, table("order_line"), statistics=("ordered_at", "business_day")) as file:
            for part, first in chunks(sold, self.number):
                filled = lines(part, basket, week_of, self.dice)
                columns = line_columns(part, filled, first, month, made.days, self.names, basket)
                file.write(columns)
                back.append(self._returns(part, filled, first, month, columns, spent))
                self._remember(part, filled, first, month, spent, drawn)
                nets.append(filled.net_of_ticket)
            for columns in back:
                if len(columns["order_id"]):
                    file.write(columns)
        self.files.setdefault("order_line", []).append(path)
        self.spent = [*self.spent[-1:], spent]
        net = np.concatenate(nets) if nets else np.zeros(0, np.int64)
        if drawn is not None:
            drawn.visit_value[:] = visit_value(sold, net)[made.people.style[drawn.person]]
        self._beside(month, sold, net)
        self.number += len(sold)

    def _returns(
        self,
        part: Tickets,
        filled: Lines,
        first: int,
        month: Month,
        columns: Columns,
        spent: npt.NDArray[np.float64],
    ) -> Columns:
        made = self.chain
        back = return_columns(part, filled, first, month, made.days, columns, self.dice)
        late = {(f.store, f.day - month.first) for f in self.planted if f.kind == "lines_missing"}
        held = np.array([(int(s), int(d)) in late for s, d in zip(back.store, back.day, strict=True)], bool)
        if held.any():
            keep = pa.array(~held)
            back.columns = {name: column.filter(keep) for name, column in back.columns.items()}
            back.store, back.day, back.cents, back.person = (
                values[~held] for values in (back.store, back.day, back.cents, back.person)
            )
        self.book.add(back.store, month.first + back.day, back.cents, returned=True)
        member = back.person >= 0
        np.add.at(spent, back.person[member], back.cents[member] / 100)
        return back.columns

    def _remember(
        self,
        part: Tickets,
        filled: Lines,
        first: int,
        month: Month,
        spent: npt.NDArray[np.float64],
        drawn: campaign.Draw | None,
    ) -> None:
        """Books a chunk's sales by store and day and by person, redemptions, and what is said about it."""
        made = self.chain
        self.book.add(part.store, month.first + part.day, filled.net_of_ticket)
        member = part.person >= 0
        if made.campaigns:
            np.add.at(spent, part.person[member], filled.net_of_ticket[member] / 100)
        if drawn is not None and len(filled.redeemed):
            place = np.searchsorted(drawn.person, part.person[filled.redeemed])
            drawn.redeemed_order[place] = first + filled.redeemed
            drawn.redeemed_day[place] = month.first + part.day[filled.redeemed]
            drawn.redeemed_cents[place] = filled.changed
        if "interaction" in self.wanted:
            self.said.append(reviews(part, filled, first, month, made.days, self.dice))

    def _beside(self, month: Month, sold: Tickets, net: npt.NDArray[np.integer]) -> None:
        """What goes with on-line orders; one file a month."""
        platforms = platform_names(self.chain.language)
        made: dict[str, Callable[[], Columns]] = {
            "fulfilment": lambda: fulfilment_columns(
                sold, self.number, month, self.chain.days, platforms, self.chain.rng("rows")
            ),
            "order_charge": lambda: charge_columns(sold, net, self.number),
        }
        for name, columns in made.items():
            if name in self.wanted:
                path = self.folder / f"{name}-{month.name}.parquet"
                with TableFile(path, table(name)) as file:
                    file.write(columns())
                self.files.setdefault(name, []).append(path)

    def _save(self, name: str, columns: Callable[[], Columns]) -> None:
        if name in self.wanted:
            self.files[name] = save(self.folder, table(name), columns())

    def finish(self) -> None:
        """Writes all that is not written month by month."""
        self._masters()
        self._dealings()
        if self.truths:
            self._truths()
            self._save_truths_of_orders()
        if "order_line" not in self.wanted:
            for path in self.files.pop("order_line"):
                path.unlink()

    def _masters(self) -> None:
        made, dice = self.chain, self.chain.rng("rows")
        where = {city[0]: city[1] for city in made.places.cities}
        doors = made.places.ids[: made.places.physical]
        self._save("customer", lambda: customer_columns(made.people, made.days, made.places, dice))
        self._save("product", lambda: product_columns(made.goods, made.size, made.language, made.rng("rows")))
        self._save("store", lambda: store_columns(made.places, made.size, dice))
        self._save("org_unit", lambda: org_unit_columns(made.places, made.size, made.language))
        self._save("staff", lambda: staff_columns(made.places, made.size))
        self._save("calendar", lambda: calendar_columns(made.days, made.places.regions))
        self._save("weather", lambda: weather_columns(made.days, where, dice))
        self._save("shelf", lambda: shelf_columns(made.goods, doors))
        self._save("promotion", lambda: promotion_columns(made.prices, made.goods, made.days, made.places))
        self._save("price", lambda: price_columns(made.prices, made.goods, made.days, made.places, made.language, dice))
        self._save("daily_close", lambda: close_columns(self.book, self.planted, made.days, made.places))
        self._save("target", lambda: target_columns(self.book, made.days, made.places))

    def _dealings(self) -> None:
        made = self.chain
        self._save("campaign", lambda: campaign.campaign_columns(made.campaigns, made.days, made.language))
        self._save("offer", lambda: campaign.offer_columns(made.campaigns, made.goods, made.days))
        self._save("offer_product", lambda: campaign.offer_product_columns(made.campaigns, made.goods))
        if self.draws:
            self._save("campaign_target", lambda: campaign.target_columns(self.draws, made.people, made.days))
            self._save("touch", lambda: campaign.touch_columns(self.draws, made.people, made.days))
            self._save(
                "redemption",
                lambda: campaign.redemption_columns(
                    self.draws, made.people, made.days, order_ids(campaign.redeemed_orders(self.draws))
                ),
            )
        if self.said:
            nouns = product_columns(made.goods, made.size, made.language, made.rng("rows"))["subcategory"].to_pylist()
            self._save(
                "interaction",
                lambda: review_columns(join(self.said), nouns, made.goods.ids, made.places.ids, made.language),
            )

    def _truths(self) -> None:
        made = self.chain
        self._truth("person", person_truth_columns(made.people, made.days, made.places))
        self._truth("record", record_truth_columns(made.people))
        self._truth("elasticity", elasticity_columns(made.goods))
        self._truth("week_price", week_price_columns(made.prices, made.goods, made.days))
        self._truth("footfall", footfall_columns(made.days))
        self._truth("close_fault", fault_columns(self.planted, made.days, made.places))
        columns = identifier_columns(made.people, made.days, made.rng("rows"))
        self.files["identifiers"] = [save_plain(self.folder / "raw" / "identifiers.parquet", columns)]

    def _save_truths_of_orders(self) -> None:
        joined = pa.concat_tables([pa.table(columns) for columns in self.missing])
        self._truth("stock_out", {name: joined.column(name) for name in joined.column_names})
        if self.draws:
            self._truth("campaign", campaign.response_truth_columns(self.draws, self.chain.people))
        if self.said:
            self._truth("review", review_truth_columns(join(self.said)))

    def _truth(self, name: str, columns: Columns) -> None:
        path = save_plain(self.folder / "truth" / f"{name}.parquet", columns)
        self.files.setdefault("truth", []).append(path)
