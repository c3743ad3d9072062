"""The places of a made-up chain: its stores, their organisation and their staff."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.sample.almanac import TRADE_AREAS
from shopkeeper.sample.size import ChainSize, Language
from shopkeeper.sample.text import Ints

__all__ = ["CHAIN_NAME", "CUTOVER_HOUR", "Places", "org_unit_columns", "places", "staff_columns", "store_columns"]

CHAIN_NAME = {"zh": "小店大连锁", "en": "Corner Chain"}
CUTOVER_HOUR = 6
ROUND_THE_CLOCK = "00:00-24:00"
_DAYTIME = "07:00-23:00"
_ONLINE = ({"zh": "小店APP", "en": "Corner app"}, {"zh": "小店网上商城", "en": "Corner web shop"})
_ONLINE_REGION = {"zh": "线上", "en": "Online"}
_REGIONS = {"zh": ("华东", "华南", "西南", "华北"), "en": ("East", "South", "Southwest", "North")}
_CITIES = (
    (("上海", "Shanghai", 31.23, 121.47), ("杭州", "Hangzhou", 30.27, 120.16), ("南京", "Nanjing", 32.06, 118.80)),
    (("广州", "Guangzhou", 23.13, 113.26), ("深圳", "Shenzhen", 22.54, 114.06), ("厦门", "Xiamen", 24.48, 118.09)),
    (("成都", "Chengdu", 30.57, 104.07), ("重庆", "Chongqing", 29.56, 106.55), ("昆明", "Kunming", 25.04, 102.71)),
    (("北京", "Beijing", 39.90, 116.41), ("天津", "Tianjin", 39.13, 117.20), ("济南", "Jinan", 36.65, 117.12)),
)
_SPOTS = {
    "zh": (
        ("创业大厦", "科技园", "金融街", "软件谷"),
        ("幸福花园", "和平新村", "人民路", "滨江家园"),
        ("大学城", "学府路", "一中东门", "师大西门"),
        ("中央地铁站", "客运站", "火车站南", "机场路"),
    ),
    "en": (
        ("Startup Tower", "Science Park", "Finance Street", "Software Valley"),
        ("Garden Court", "Peace Village", "People's Road", "Riverside Homes"),
        ("University Town", "College Road", "School East Gate", "Campus West Gate"),
        ("Central Metro", "Coach Station", "Station South", "Airport Road"),
    ),
}


@dataclass(frozen=True)
class Places:
    """The stores of a chain; the last two are the app and the web shop.

    Args:
        ids: Store ids.
        names: Store names.
        physical: How many have a door.
        city: Place of each store in `cities`.
        cities: Name, latitude, longitude and region of each city.
        regions: Region names, the online one last.
        area: Trade area of each store (place in `TRADE_AREAS`); the online ones count as residential.
        franchise: Whether it is run by a franchisee.
        all_day: Whether it is open round the clock; its business day changes at six.
        opened: First day of trade, as a place in the almanac; negative when before.
        weight: Planted share of the chain's footfall, before weekday and season.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    physical: int
    city: Ints
    cities: tuple[tuple[str, float, float, int], ...]
    regions: tuple[str, ...]
    area: Ints
    franchise: npt.NDArray[np.bool_]
    all_day: npt.NDArray[np.bool_]
    opened: Ints
    weight: npt.NDArray[np.float64]

    @property
    def region(self) -> Ints:
        """Place of each store's region in `regions`."""
        doors = np.array([self.cities[c][3] for c in self.city[: self.physical]])
        return np.concatenate([doors, np.full(2, len(self.regions) - 1)])

    @property
    def app(self) -> int:
        """The place of the app among the stores."""
        return self.physical


def places(size: ChainSize, language: Language, rng: np.random.Generator) -> Places:
    """Makes the stores of a chain: own and franchise, in cities, each in a trade area."""
    count, speaks_english = size.stores, language == "en"
    regions = min(len(_CITIES), max(1, count // 4))
    cities = tuple(((c[1] if speaks_english else c[0]), c[2], c[3], r) for r in range(regions) for c in _CITIES[r])
    city = np.arange(count) % len(cities)
    area = rng.permutation(np.arange(count) % len(TRADE_AREAS))
    opened = np.where(rng.random(count) < 0.12, rng.integers(30, max(31, size.days // 2), count), -1)
    opened[:4] = -1
    before = -rng.integers(200, 2_500, count)
    spots = _SPOTS[language]
    names = [
        _store_name(language, cities[c][0], spots[a][n % 4], n // 4)
        for n, (c, a) in enumerate(zip(city, area, strict=True))
    ]
    ids = [f"S{number:04d}" for number in range(1, count + 1)]
    return Places(
        ids=(*ids, "APP01", "WEB01"),
        names=(*names, *(name[language] for name in _ONLINE)),
        physical=count,
        city=np.concatenate([city, [0, 0]]),
        cities=cities,
        regions=(*_REGIONS[language][:regions], _ONLINE_REGION[language]),
        area=np.concatenate([area, [1, 1]]),
        franchise=np.concatenate([rng.random(count) < 0.55, [False, False]]),
        all_day=np.concatenate([(rng.random(count) < 0.5) | (area == 3), [False, False]]),
        opened=np.concatenate([np.where(opened >= 0, opened, before), [-700, -700]]),
        weight=np.concatenate([rng.lognormal(0, 0.3, count), [0, 0]]),
    )


def _store_name(language: Language, city: str, spot: str, lap: int) -> str:
    number = "" if lap == 0 else f"{lap + 1}号" if language == "zh" else f" {lap + 1}"
    return f"{city}{spot}{number}店" if language == "zh" else f"{city} {spot}{number}"


def store_columns(made: Places, size: ChainSize, rng: np.random.Generator) -> dict[str, pa.Array]:
    """The rows of `store`."""
    count, doors = len(made.ids), made.physical
    has_door = np.arange(count) < doors
    absent = ~has_door
    opened = [size.starts_on + timedelta(days=int(day)) for day in made.opened]
    jitter = rng.normal(0, 0.04, (2, count))
    where = np.array([made.cities[c][1:3] for c in made.city]).T + jitter
    cities = np.array([made.cities[c][0] for c in made.city])
    return {
        "store_id": pa.array(made.ids),
        "name": pa.array(made.names),
        "channel": pa.array(["store"] * doors + ["app", "web"]),
        "org_unit_id": pa.array(made.ids),
        "ownership": pa.array(np.where(made.franchise, "franchise", "own")),
        "trade_area": pa.array(np.array(TRADE_AREAS)[made.area], mask=absent),
        "region": pa.array(np.array(made.regions)[made.region]),
        "city": pa.array(cities, mask=absent),
        "latitude": pa.array(np.round(where[0], 5), mask=absent),
        "longitude": pa.array(np.round(where[1], 5), mask=absent),
        "opening_hours": pa.array(np.where(made.all_day | absent, ROUND_THE_CLOCK, _DAYTIME)),
        "opened_on": pa.array(opened),
        "comparable_from": pa.array([_comparable_from(day) for day in opened]),
        "floor_area": pa.array(np.round(rng.uniform(40, 180, count)), mask=absent),
        "cutover_hour": pa.array(np.where(made.all_day, CUTOVER_HOUR, 0).astype(np.int64)),
    }


def _comparable_from(opened: date) -> date:
    """The first of a month, after thirteen full months of trade."""
    months = opened.year * 12 + opened.month - 1 + 14
    return date(months // 12, months % 12 + 1, 1)


def org_unit_columns(made: Places, size: ChainSize, language: Language) -> dict[str, pa.Array]:
    """The rows of `org_unit`: chain, regions, areas (one a city) and stores; one store changed its area half way."""
    start = date(2015, 1, 1)
    rows: list[tuple[str, str | None, str, str, date, date | None]] = [
        ("CHAIN", None, "chain", CHAIN_NAME[language], start, None)
    ]
    rows += [(f"R{r:02d}", "CHAIN", "region", name, start, None) for r, name in enumerate(made.regions, 1)]
    suffix = "区" if language == "zh" else " area"
    rows += [
        (f"A{a:02d}", f"R{c[3] + 1:02d}", "area", c[0] + suffix, start, None) for a, c in enumerate(made.cities, 1)
    ]
    online = f"A{len(made.cities) + 1:02d}"
    rows.append((online, f"R{len(made.regions):02d}", "area", made.regions[-1] + suffix, start, None))
    moved = size.starts_on + timedelta(days=size.days // 2)
    for place, (store, name) in enumerate(zip(made.ids, made.names, strict=True)):
        area = f"A{made.city[place] + 1:02d}" if place < made.physical else online
        if place == 1:
            rows.append((store, "A01", "store", name, start, moved - timedelta(days=1)))
            rows.append((store, area, "store", name, moved, None))
        else:
            rows.append((store, area, "store", name, start, None))
    names = ("org_unit_id", "parent_id", "kind", "name", "valid_from", "valid_to")
    kinds = (pa.string(),) * 4 + (pa.date32(),) * 2
    return {n: pa.array([row[i] for row in rows], kinds[i]) for i, n in enumerate(names)}


def staff_columns(made: Places, size: ChainSize) -> dict[str, pa.Array]:
    """The rows of `staff`: a manager and three cashiers a store."""
    doors = np.repeat(np.arange(made.physical), 4)
    opened = [size.starts_on + timedelta(days=int(made.opened[s])) for s in doors]
    return {
        "staff_id": pa.array(staff_ids(made)),
        "store_id": pa.array([made.ids[s] for s in doors]),
        "role": pa.array(["manager", "cashier", "cashier", "cashier"] * made.physical),
        "employed_from": pa.array(opened),
    }


def staff_ids(made: Places) -> list[str]:
    """Ids of the staff: four a store, the manager first."""
    return [f"{store}-{number}" for store in made.ids[: made.physical] for number in range(1, 5)]
