"""What campaigns brought: whom they reached, who redeemed, what it was worth; and the plan of the next one."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from shopkeeper.app.engage import export_plan
from shopkeeper.app.pages.download import downloaded
from shopkeeper.app.pages.reading import rows
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query

__all__ = ["BELIEVED", "CampaignResult", "Effect", "OfferShare", "Plan", "campaign_results", "export_list", "plans"]

BELIEVED = "believe"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a campaign was worth a targeted person, in currency, with 95 % intervals.

    Args:
        value: Money a targeted person.
        low: Its interval from.
        high: Its interval to.
        total: Over all targeted persons.
        placebo: The same on the weeks before the campaign, where nothing can have worked.
        placebo_low: Its interval from.
        placebo_high: Its interval to.
        is_observational: Whether no holdout was drawn.
        verdict: `believe`, or that one should not.
        reason_en: Why, in English.
        reason_zh: Why, in Chinese.
    """

    value: float | None
    low: float | None
    high: float | None
    total: float | None
    placebo: float | None
    placebo_low: float | None
    placebo_high: float | None
    is_observational: bool
    verdict: str
    reason_en: str
    reason_zh: str

    @property
    def believed(self) -> bool:
        """Whether a reader may believe it."""
        return self.verdict == BELIEVED

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """One campaign.

    Args:
        campaign_id: Its id.
        name: Its name, or its id where it has none.
        kind: Its sort.
        starts_on: The first day.
        ends_on: The last day.
        targeted: People chosen for it.
        redeemers: Those of them who used an offer of it.
        effect: What it was worth, where that was estimated.
    """

    campaign_id: str
    name: str
    kind: str | None
    starts_on: date
    ends_on: date | None
    targeted: int
    redeemers: int
    effect: Effect | None = None

    @property
    def rate(self) -> float | None:
        """Share of the people chosen who redeemed."""
        return self.redeemers / self.targeted if self.targeted else None


@dataclass(frozen=True, slots=True)
class OfferShare:
    """How many people of a plan get one offer."""

    offer_id: str
    people: int
    expected_value: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What the people of one campaign are to be offered.

    Args:
        campaign_id: The campaign.
        as_of: The last day the plan knew.
        people: How many are to be sent an offer.
        held_out: How many are held out, so that the effect can be measured.
        probability: Mean probability of a redemption.
        expected_value: Money expected on the offers' products.
        offers: The offers most people get.
    """

    campaign_id: str
    as_of: date
    people: int
    held_out: int
    probability: float | None
    expected_value: float
    offers: tuple[OfferShare, ...]


def campaign_results(shop: Shop, *, limit: int | None = None) -> tuple[CampaignResult, ...]:
    """Gives campaigns, newest first.

    Args:
        shop: The shop.
        limit: At most so many.
    """
    query = Query.from_sql(
        """
        SELECT
            c.campaign_id,
            COALESCE(c.name, c.campaign_id) AS name,
            c.kind,
            c.starts_on,
            c.ends_on,
            COALESCE(t.targeted, 0) AS targeted,
            COALESCE(r.redeemers, 0) AS redeemers
        FROM campaign AS c
        LEFT JOIN (
            SELECT campaign_id, COUNT(DISTINCT customer_id) AS targeted FROM campaign_target GROUP BY campaign_id
        ) AS t ON t.campaign_id = c.campaign_id
        LEFT JOIN (
            SELECT t.campaign_id, COUNT(DISTINCT t.customer_id) AS redeemers
            FROM campaign_target AS t
            JOIN redemption AS u
                ON u.campaign_id = t.campaign_id AND u.source = t.source AND u.customer_id = t.customer_id
            GROUP BY t.campaign_id
        ) AS r ON r.campaign_id = c.campaign_id
        ORDER BY c.starts_on DESC, c.campaign_id
        """,
        name="campaign results",
    )
    effects = _effects(shop)
    return tuple(CampaignResult(**row, effect=effects.get(row["campaign_id"])) for row in rows(shop, query)[:limit])


def plans(shop: Shop) -> tuple[Plan, ...]:
    """Gives the plans that wait to be sent, by campaign."""
    whole = Query.from_sql(
        """
        SELECT
            campaign_id,
            MAX(as_of) AS as_of,
            COUNT(*) FILTER (WHERE NOT is_holdout) AS people,
            COUNT(*) FILTER (WHERE is_holdout) AS held_out,
            AVG(probability) AS probability,
            COALESCE(SUM(expected_value) FILTER (WHERE NOT is_holdout), 0) AS expected_value
        FROM offer_plan
        GROUP BY campaign_id
        ORDER BY campaign_id
        """,
        name="plans",
    )
    by_offer = Query.from_sql(
        """
        SELECT campaign_id, offer_id, COUNT(*) AS people, COALESCE(SUM(expected_value), 0) AS expected_value
        FROM offer_plan
        WHERE NOT is_holdout AND NOT offer_id IS NULL
        GROUP BY campaign_id, offer_id
        QUALIFY ROW_NUMBER() OVER (PARTITION BY campaign_id ORDER BY COUNT(*) DESC, offer_id) <= 5
        ORDER BY campaign_id, people DESC, offer_id
        """,
        name="offers of the plans",
    )
    offers = rows(shop, by_offer)
    return tuple(
        Plan(
            **row,
            offers=tuple(
                OfferShare(each["offer_id"], each["people"], each["expected_value"])
                for each in offers
                if each["campaign_id"] == row["campaign_id"]
            ),
        )
        for row in rows(shop, whole)
    )


def export_list(
    shop: Shop, campaign_id: str, ending: str, *, with_holdout: bool = False, by: str, now: datetime
) -> Path:
    """Writes a plan's list to a temporary file that the caller removes; leaves an audit row.

    Args:
        shop: The shop.
        campaign_id: The campaign of the plan.
        ending: `csv` or `xlsx`.
        with_holdout: Also those held out, marked and without a coupon; else a list can be sent as it is.
        by: Who takes it.
        now: When.

    Raises:
        MissingError: There is no plan of the campaign, or everybody is held out.
        UsageError: The ending is neither csv nor xlsx.
    """
    return downloaded(
        shop,
        ending,
        lambda file: export_plan(shop, file, campaign_id, with_holdout=with_holdout, by=by, now=now),
    )


def _effects(shop: Shop) -> dict[str, Effect]:
    query = Query.from_sql(
        """
        SELECT
            campaign_id,
            value,
            value_low AS low,
            value_high AS high,
            total,
            placebo,
            placebo_low,
            placebo_high,
            is_observational,
            verdict,
            reason AS reason_en,
            reason_zh
        FROM effect
        """,
        name="effects",
    )
    return {row.pop("campaign_id"): Effect(**row) for row in rows(shop, query)}
