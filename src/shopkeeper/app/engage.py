"""Acts and measures, once round: the offer plan of the next campaign, and what past campaigns brought."""

from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shopkeeper.app.log import logger
from shopkeeper.app.shop import Shop
from shopkeeper.app.table import export_rows
from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.iceberg import arrow_schema

__all__ = ["export_plan", "make_effects", "make_offer_plan"]

_SEED = 1


def make_offer_plan(shop: Shop, as_of: date) -> pa.Table:
    """Plans a coupon for each person of the next campaign, holdouts drawn; no rows where no campaign runs."""
    # numpy-heavy rooms, and only this step and the next need them
    from shopkeeper.engage.plan import Holdouts, next_campaign, offer_plan, plan_rows  # noqa: PLC0415

    campaigns = shop.arrow(Query.from_sql("SELECT campaign_id, starts_on, ends_on FROM campaign", name="campaigns"))
    try:
        campaign = next_campaign(campaigns, as_of)
        scores = shop.arrow(
            Query.from_sql(
                "SELECT person_id, value FROM score WHERE model = 'response' AND subject = $campaign",
                name="scores",
                campaign=campaign,
            )
        )
        settings = shop.settings.engage
        holdouts = Holdouts(settings.global_holdout, settings.campaign_holdout)
        rows = shop.engine.arrow(plan_rows(campaign, as_of))
        return offer_plan(campaign, rows, scores, as_of, seed=_SEED, holdouts=holdouts)
    except (DataError, MissingError) as error:
        logger("engage").info("no offer plan", why=error.noted)
        return arrow_schema(declared_table("offer_plan")).empty_table()


def make_effects(shop: Shop, as_of: date) -> pa.Table:
    """Estimates what each past campaign brought, with its placebo and whether to believe it."""
    from shopkeeper.experiment.effect import effect_rows, effects  # noqa: PLC0415 - as above

    return effects(shop.engine.arrow(effect_rows(as_of)), as_of)


def export_plan(
    shop: Shop, file: Path, campaign_id: str | None = None, *, with_holdout: bool = False, by: str, now: datetime
) -> int:
    """Writes the list of whom to send which coupon, the best first; gives the number of rows.

    Each campaign of the list leaves an audit row.

    Args:
        shop: The shop.
        file: Where to, a format by its ending.
        campaign_id: Only this campaign.
        with_holdout: Also those held out, marked and without a coupon, so that the effect can be measured later.
        by: Who takes it.
        now: When.

    Raises:
        MissingError: There is no plan, none of this campaign, or nobody in it who is not held out.
    """
    query = Query.from_sql(
        "SELECT campaign_id, person_id, offer_id, is_holdout, probability, expected_value, reason, reason_zh "
        "FROM offer_plan ORDER BY campaign_id, is_holdout, expected_value DESC, person_id",
        name="offer plan",
    )
    rows = shop.arrow(query)
    planned = rows["campaign_id"].unique().to_pylist()
    of = ""
    if campaign_id is not None:
        rows, of = rows.filter(pc.equal(rows["campaign_id"], campaign_id)), f" of campaign '{campaign_id}'"
    if not rows.num_rows:
        raise MissingError(
            f"there is no offer plan{of} to export",
            place=f"planned: {', '.join(planned) or 'nothing'}",
            next_step="shopkeeper campaign list" if planned else "shopkeeper run plan",
        )
    if not with_holdout:
        rows = rows.filter(pc.invert(rows["is_holdout"])).drop_columns(["is_holdout"])
    if not rows.num_rows:
        raise MissingError(f"everybody in the offer plan{of} is held out", next_step="take those held out, too")
    written = export_rows(iter(rows.to_batches()), file)
    for each in rows["campaign_id"].value_counts().to_pylist():
        detail = {"people": each["counts"], "as": file.suffix.removeprefix("."), "holdout": with_holdout}
        shop.state.audit.append(by, "plan.export", each["values"], now=now, detail=detail)
    return written
