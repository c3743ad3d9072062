"""What live segments rest on beside the person: products, stores, models' days and cut-points, read once a day."""

from shopkeeper.app.cuts import cuts_now
from shopkeeper.app.live_segments import LiveSet, live_set
from shopkeeper.app.pages.builder import catalogue_of
from shopkeeper.app.pages.reading import rows
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.clock import business_day
from shopkeeper.profile.cuts import LifecycleCuts, RFMCuts
from shopkeeper.schema.query import Query
from shopkeeper.segment.history import Product
from shopkeeper.segment.view import Ground

__all__ = ["live_set_of", "shop_ground"]


def shop_ground(shop: Shop) -> Ground:
    """Reads what is the same for everybody; it holds until the next run, or until products or stores are loaded."""
    lifecycle, rfm = cuts_now(shop, "lifecycle"), cuts_now(shop, "rfm")
    if not isinstance(lifecycle, LifecycleCuts) or not isinstance(rfm, RFMCuts):
        raise TypeError("the cut-points of lifecycle and RFM are exchanged")
    return Ground(catalogue_of(shop), _products(shop), _stores(shop), _scored_on(shop), lifecycle, rfm)


def live_set_of(shop: Shop, ground: Ground | None = None) -> LiveSet:
    """Makes the published segments ready for the present day; `ground` saves reading it again."""
    known = ground or shop_ground(shop)
    today = business_day(now(shop), shop.settings.chain.time_zone)
    return live_set([saved for saved in shop.state.segments.all() if saved.published], known, today)


def _products(shop: Shop) -> dict[str, Product]:
    text = "SELECT product_id, category, subcategory, department, brand, kind, private_label FROM product"
    left_out = set(shop.settings.profile.left_out_kinds)
    return {
        row["product_id"]: Product(
            row["category"],
            row["subcategory"],
            row["department"],
            row["brand"],
            row["kind"],
            row["private_label"],
            row["kind"] not in left_out,
        )
        for row in rows(shop, Query.from_sql(text, name="products"))
    }


def _stores(shop: Shop) -> dict[str, tuple[float, float]]:
    text = "SELECT store_id, latitude, longitude FROM store WHERE latitude IS NOT NULL AND longitude IS NOT NULL"
    return {
        row["store_id"]: (float(row["latitude"]), float(row["longitude"]))
        for row in rows(shop, Query.from_sql(text, name="places"))
    }


def _scored_on(shop: Shop) -> dict[tuple[str, str | None], list[int]]:
    text = "SELECT DISTINCT model, subject, as_of FROM score"
    found: dict[tuple[str, str | None], list[int]] = {}
    for row in rows(shop, Query.from_sql(text, name="scored_on")):
        for subject in {row["subject"], None}:
            found.setdefault((row["model"], subject), []).append(row["as_of"].toordinal())
    return found
