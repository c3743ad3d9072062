"""Models: back-tests, stored versions with their cards, and the scores of the campaigns that run."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from shopkeeper.app.log import logger
from shopkeeper.app.sample import COMPLETE_JOURNEY
from shopkeeper.app.shop import Shop, as_of_or_last
from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.iceberg import arrow_schema

__all__ = ["RESPONSE", "backtest", "card", "list_models", "make_scores"]

RESPONSE = "response"
_MODEL_FILE = "model.zip"
_TEST_SHARE = 0.4


def list_models(shop: Shop) -> list[Mapping[str, Any]]:
    """The newest card of each model, with the instant since when it should be fitted anew, None where it need not."""
    newest = {entry.name: entry for entry in shop.models.list()}
    return [
        {**entry.card, "stale_since": shop.models.stale_since(name, entry.version)}
        for name, entry in sorted(newest.items())
    ]


def card(shop: Shop, name: str) -> Mapping[str, Any]:
    """The newest card of a model.

    Raises:
        MissingError: There is no such model.
    """
    return shop.models.get(name).card


def backtest(shop: Shop, name: str, as_of: date | None = None) -> Mapping[str, Any]:
    """Measures a model again on time it did not see, stores it with its card, and gives the card.

    Raises:
        MissingError: There is no such model.
        DataError: There are too few data to learn from.
    """
    if name != RESPONSE:
        raise MissingError(
            f"there is no model '{name}'", place=f"models: {RESPONSE}", next_step="shopkeeper model list"
        )
    day = as_of_or_last(shop, as_of)
    return _learn(shop, _features(shop, day), day)


def make_scores(shop: Shop, as_of: date) -> pa.Table:
    """Scores everybody targeted by a campaign that runs on a day.

    The model is measured and fitted again when a campaign ended, somebody was erased or the code changed since;
    otherwise the stored one scores. A shop with too few redeemed campaigns has no scores, and the log says why.
    """
    # LightGBM and scikit-learn take seconds to import, and only this step needs them.
    from shopkeeper.learn import blend, response  # noqa: PLC0415
    from shopkeeper.learn.card import code_hash  # noqa: PLC0415

    features = _features(shop, as_of)
    try:
        stored = _stored(shop, as_of, features, code_hash())
        found = stored or _learn(shop, features, as_of)
    except DataError as error:
        logger("learn").warning("no response model", why=error.noted)
        return arrow_schema(declared_table("score")).empty_table()
    model = blend.from_bytes(shop.models.get(RESPONSE, found["version"]).files[_MODEL_FILE])
    return response.score(model, features, as_of, found["version"])


def _features(shop: Shop, as_of: date) -> pa.Table:
    from shopkeeper.learn import response  # noqa: PLC0415 - as above

    return shop.engine.arrow(response.features(as_of))


def _learn(shop: Shop, features: pa.Table, as_of: date) -> Mapping[str, Any]:
    from shopkeeper.learn import response  # noqa: PLC0415 - as above

    outcomes = shop.engine.arrow(response.outcomes(as_of))
    found = response.backtest(features, outcomes, as_of, test_from=_test_from(shop, as_of))
    document = found.card.to_json()
    known = [entry.version for entry in shop.models.list(RESPONSE)]
    if shop.models.stale_since(RESPONSE, found.card.version) is not None:
        # A stored version never changes: what is fitted anew on the same day, by the same code, is counted on.
        document["version"] = f"{found.card.version}.{len(known)}"
    if document["version"] not in known:
        shop.models.put(RESPONSE, document["version"], {_MODEL_FILE: found.model.to_bytes()}, json.dumps(document))
    return document


def _stored(shop: Shop, as_of: date, features: pa.Table, code: str) -> Mapping[str, Any] | None:
    """The newest card, if no campaign ended and nobody was erased since, and the code is the same."""
    entries = shop.models.list(RESPONSE)
    if not entries or entries[-1].card["code_hash"] != code:
        return None
    if shop.models.stale_since(RESPONSE, entries[-1].version) is not None:
        return None
    until = date.fromisoformat(entries[-1].card["trained_until"])
    ended = [day for day in features["ends_on"].unique().to_pylist() if day is not None and until <= day < as_of]
    return None if ended or until > as_of else entries[-1].card


def _test_from(shop: Shop, as_of: date) -> date:
    """From which day on campaigns are measured: the last two fifths; Complete Journey has its published day."""
    from shopkeeper.learn.response import TEST_FROM  # noqa: PLC0415 - as above

    if shop.settings.chain.sample == COMPLETE_JOURNEY:
        return TEST_FROM
    query = Query.from_sql(
        "SELECT starts_on FROM campaign WHERE starts_on <= $day ORDER BY starts_on", name="campaign days", day=as_of
    )
    days = shop.arrow(query)["starts_on"].to_pylist()
    return days[int(len(days) * (1 - _TEST_SHARE))] if days else as_of
