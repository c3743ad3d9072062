"""No look-ahead: what a model was given as of a day must be the same when nothing after that day exists."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from shopkeeper.base.errors import DataError
from shopkeeper.schema.query import Query

__all__ = ["assert_no_lookahead", "known_by"]

_TOLERANCE = 1e-6


def known_by(as_of: date) -> Mapping[str, Query]:
    """Gives each table that grows with time, cut to what was known at the end of a day.

    A campaign is known with its targets and offers on the evening before its first day.
    """
    day_after = as_of + timedelta(days=1)
    campaigns = "SELECT campaign_id FROM campaign WHERE starts_on <= $day_after"
    texts = {
        "order_line": "SELECT * FROM order_line WHERE business_day < $day_after",
        "redemption": "SELECT * FROM redemption WHERE redeemed_on < $day_after",
        "campaign": "SELECT * FROM campaign WHERE starts_on <= $day_after",
        "campaign_target": f"SELECT * FROM campaign_target WHERE campaign_id IN ({campaigns})",
        "offer": f"SELECT * FROM offer WHERE campaign_id IN ({campaigns})",
    }
    return {name: Query.from_sql(text, name=f"known {name}", day_after=day_after) for name, text in texts.items()}


def assert_no_lookahead(full: pa.Table, cut: pa.Table, keys: Sequence[str]) -> None:
    """Holds features computed on all data equal to those computed on data cut at their day.

    Args:
        full: Features as of a day, computed while later data were there.
        cut: The same, computed on `known_by` tables; every row of it must stand in `full`.
        keys: The columns that tell rows apart.

    Raises:
        DataError: A row or a feature differs: something after the day was looked at.
    """
    rows_full, rows_cut = _sorted(full, keys), _sorted(cut, keys)
    here = {tuple(row.values()) for row in rows_full.select(list(keys)).to_pylist()}
    there = {tuple(row.values()) for row in rows_cut.select(list(keys)).to_pylist()}
    if here != there:
        raise DataError(f"look-ahead: {len(here ^ there)} rows are there only with or only without later data")
    leaking = [name for name in cut.column_names if not _same(rows_full[name], rows_cut[name])]
    if leaking:
        raise DataError(
            f"look-ahead: {', '.join(leaking)} changed when later data were taken away",
            next_step="cut each table that the feature reads at the day",
        )


def _sorted(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    return table.sort_by([(key, "ascending") for key in keys])


def _same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    if not (pa.types.is_floating(left.type) or pa.types.is_decimal(left.type)):
        return bool(left.to_pylist() == right.to_pylist())
    one, other = (each.cast(pa.float64()).to_numpy(zero_copy_only=False) for each in (left, right))
    return bool(np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True))
