"""The steps of `run`, listed: no step is registered by being imported."""

from shopkeeper.app.cuts import lifecycle_cuts, rfm_cuts
from shopkeeper.app.plan import Plan
from shopkeeper.app.shop import Shop
from shopkeeper.identity.person import person
from shopkeeper.insight.store_day import department_day, store_day
from shopkeeper.profile.basket import basket
from shopkeeper.profile.person_habit import person_habit
from shopkeeper.profile.product_fact import product_fact
from shopkeeper.profile.profile import profile

__all__ = ["plans"]


def plans(shop: Shop) -> list[Plan]:
    """Gives every step with the arguments that the settings ask for."""
    settings = shop.settings
    zone = settings.chain.time_zone
    return [
        Plan.of(person, takes_as_of=False),
        Plan.of(product_fact, left_out=settings.profile.left_out_kinds),
        Plan.of(basket, takes_as_of=False, through=("counted", "private_label"), time_zone=zone),
        Plan.of(person_habit, through=("counted", "department", "category", "brand", "price_tier")),
        Plan.of(
            profile,
            time_zone=zone,
            lifecycle=lifecycle_cuts(settings.lifecycle),
            rfm=rfm_cuts(settings.rfm),
        ),
        Plan.of(store_day, takes_as_of=False, through=("counted",)),
        Plan.of(department_day, takes_as_of=False, through=("counted", "department")),
    ]
