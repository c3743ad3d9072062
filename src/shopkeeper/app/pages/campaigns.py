"""What campaigns brought: whom they reached, who redeemed, what it was worth."""

from dataclasses import dataclass
from datetime import date

from shopkeeper.app.pages.reading import rows
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query

__all__ = ["CampaignResult", "campaign_results"]


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
    """

    campaign_id: str
    name: str
    kind: str | None
    starts_on: date
    ends_on: date | None
    targeted: int
    redeemers: int

    @property
    def rate(self) -> float | None:
        """Share of the people chosen who redeemed."""
        return self.redeemers / self.targeted if self.targeted else None


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
    return tuple(CampaignResult(**row) for row in rows(shop, query)[:limit])
