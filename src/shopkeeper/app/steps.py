"""The steps of `run`, listed: no step is registered by being imported."""

import hashlib
from functools import partial
from pathlib import Path

from shopkeeper.app.consent import make_consents
from shopkeeper.app.cuts import cuts_now
from shopkeeper.app.engage import make_effects, make_offer_plan
from shopkeeper.app.merges import make_merges
from shopkeeper.app.model import make_scores
from shopkeeper.app.plan import Plan
from shopkeeper.app.segment import refresh_members
from shopkeeper.app.shop import Shop
from shopkeeper.identity.person import person
from shopkeeper.insight.store_day import department_day, store_day
from shopkeeper.profile.basket import basket
from shopkeeper.profile.coverage import coverage
from shopkeeper.profile.lifecycle_balance import lifecycle_balance
from shopkeeper.profile.person_habit import person_habit
from shopkeeper.profile.product_fact import product_fact
from shopkeeper.profile.profile import profile

__all__ = ["plans"]

_AUDIENCE_READS = (
    "profile",
    "order_line",
    "product_fact",
    "person",
    "store",
    "redemption",
    "event",
    "score",
    "consent",
)
_CONSENT_FORM = "2"  # counted up when the snapshot of the ledger takes another form
_MERGES_FORM = "1"  # and that of the map
_CAMPAIGN_READS = (
    "order_line",
    "person",
    "product",
    "customer",
    "campaign",
    "campaign_target",
    "offer",
    "offer_product",
    "redemption",
)


def plans(shop: Shop) -> list[Plan]:
    """Gives every step with the arguments that the settings and saved segments ask for."""
    settings = shop.settings
    zone, cuts = settings.chain.time_zone, cuts_now(shop, "lifecycle")
    segments = shop.state.segments.all()
    return [
        Plan(
            "person_merge",
            "person_merge",
            (),
            _MERGES_FORM,
            arguments={"moves": shop.state.identifiers.version()},
            make=make_merges,
            takes_as_of=False,
        ),
        Plan.of(person, takes_as_of=False),
        Plan.of(product_fact, left_out=settings.profile.left_out_kinds),
        Plan.of(basket, takes_as_of=False, through=("counted", "private_label"), time_zone=zone),
        Plan.of(person_habit, through=("counted", "department", "category", "brand", "price_tier")),
        Plan.of(profile, time_zone=zone, lifecycle=cuts, rfm=cuts_now(shop, "rfm")),
        Plan.of(lifecycle_balance, lifecycle=cuts),
        Plan.of(coverage, takes_as_of=False, time_zone=zone),
        Plan.of(store_day, takes_as_of=False, through=("counted",)),
        Plan.of(department_day, takes_as_of=False, through=("counted", "department")),
        Plan("response", "score", _CAMPAIGN_READS, _room_hash("learn"), make=make_scores),
        Plan(
            "plan",
            "offer_plan",
            (*_CAMPAIGN_READS, "score"),
            _room_hash("engage"),
            arguments=settings.engage.model_dump(),
            make=make_offer_plan,
        ),
        Plan("effect", "effect", (*_CAMPAIGN_READS, "touch"), _room_hash("experiment"), make=make_effects),
        Plan(
            "consent",
            "consent",
            (),
            _CONSENT_FORM,
            arguments={"ledger": shop.state.consents.state(), "moves": shop.state.identifiers.version()},
            make=make_consents,
            takes_as_of=False,
        ),
        Plan(
            "segments",
            "segment_member",
            _AUDIENCE_READS,
            _room_hash("segment"),
            arguments={"segments": {found.name: found.version for found in segments}},
            make=partial(refresh_members, segments=segments),
        ),
    ]


def _room_hash(room: str) -> str:
    """Hash of all code of a room: what no single query makes may depend on any of it."""
    digest = hashlib.sha256()
    for file in sorted((Path(__file__).parent.parent / room).rglob("*")):
        if file.suffix in {".py", ".sql"}:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
