"""A day at the front door, for pages: real messages through the real door, log, safe keeper and live reader."""

from contextlib import closing
from datetime import timedelta
from typing import Any

from shopkeeper.app.api_key import create_key
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.safe_keep import SafeKeeper
from shopkeeper.app.shop import Shop
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.sealed import seal
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog

SHOPPER = "ann"
PHONE = "13812345678"


def _track(event: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": event} | more


def _visit(hour: int) -> list[dict[str, Any]]:
    tea = {"product_id": "1029743", "quantity": 2, "price": 4.5}
    return [
        _track("Products Searched", anonymousId=f"b{hour}", properties={"query": "oat milk"}),
        _track("Product Viewed", anonymousId=f"b{hour}", properties=tea),
        _track("Product Added", anonymousId=f"b{hour}", properties=tea),
        {"type": "identify", "anonymousId": f"b{hour}", "userId": SHOPPER, "traits": {"phone": PHONE}},
    ]


def _sale(number: int) -> dict[str, Any]:
    lines = [{"product_id": "1029743", "price": 4.5, "quantity": 2}, {"product_id": "995242", "price": 1.25}]
    properties = {"order_id": f"t{number}", "store_id": "367", "channel": "store", "products": lines}
    return _track("Order Completed", userId=SHOPPER, messageId=f"ticket-{number}", properties=properties)


def open_front_door(shop: Shop, hours: int = 9) -> str:
    """Has a till and a web shop send for some hours up to now; gives the person who shopped.

    The web shop also sends orders, which its public key may not, and an event that is nobody's.
    """
    create_key(shop, ["collect"], source="till")
    create_key(shop, ["collect"], source="web", is_browser=True)
    now = shop.clock()
    with closing(SqliteLog(shop.folder / LOG_FILE)) as log:
        for hour in range(hours):
            at = now - timedelta(hours=hours - 1 - hour, seconds=30)
            web: list[Any] = [*_visit(hour), _sale(hour), _track("Wheel Spun", messageId=f"w{hour}")]
            for source, messages in (("web", web), ("till", [_sale(hour), _sale(hour)])):
                door = Door(source, shop.tokens, at, is_browser=source == "web", currency=shop.settings.chain.currency)
                taken = accept(messages, door)
                sealed = seal(taken.personal, taken.bodies, shop.sealing)
                log.append([Batch(source, at.timestamp(), taken.entries, taken.refusals, sealed)])
        SafeKeeper(shop, log).step()
        with closing(LiveStore(shop.folder / LIVE_FILE)) as store:
            LiveReader(log, shop.state.identifiers, store, lines_for(shop)).step()
    (known,) = shop.state.identifiers.known([shop.tokens.token("user", SHOPPER)])
    return known.person_id
