"""What is foreseen, planned and found: scores, offer plans, effects."""

from shopkeeper.schema.table import Column, Privacy, Table, TableKind, Type

__all__ = ["EFFECT_VERDICTS", "FORESEEN"]

EFFECT_VERDICTS = ("believe", "do not believe this")

FORESEEN = (
    Table(
        "score",
        "one person's score by one model for one subject",
        (
            Column("person_id", Type.STRING, "The person", required=True, privacy=Privacy.PERSON),
            Column("model", Type.STRING, "The model", required=True),
            Column("version", Type.STRING, "Its version, as on its card", required=True),
            Column("subject", Type.STRING, "What the score is about: for `response` the campaign", required=True),
            Column("as_of", Type.DATE, "The last day the score knew", required=True),
            Column("value", Type.NUMBER, "The score: for `response` the calibrated probability", unit="share"),
            Column("decile", Type.INTEGER, "Tenth among those scored for the subject, 10 the best", unit="tenth"),
            Column("reasons", Type.STRINGS, "What moved it most, in English", privacy=Privacy.PERSON),
            Column("reasons_zh", Type.STRINGS, "What moved it most, in Chinese", privacy=Privacy.PERSON),
        ),
        key=("person_id", "model", "subject"),
        kind=TableKind.DERIVED,
    ),
    Table(
        "offer_plan",
        "what one person of the next campaign is to be offered",
        (
            Column("campaign_id", Type.STRING, "The campaign", required=True),
            Column("person_id", Type.STRING, "The person", required=True, privacy=Privacy.PERSON),
            Column("offer_id", Type.STRING, "The coupon that fits best; empty when held out"),
            Column("as_of", Type.DATE, "The last day the plan knew", required=True),
            Column("is_holdout", Type.BOOLEAN, "Whether the person is held out", required=True),
            Column("holdout", Type.STRING, "Which holdout", values=("global", "campaign")),
            Column("probability", Type.NUMBER, "Probability of a redemption in the campaign", unit="share"),
            Column("match", Type.NUMBER, "Share of the person's fit that falls on this coupon", unit="share"),
            Column("expected_spend", Type.NUMBER, "Money on the coupon's products if it is redeemed", unit="currency"),
            Column("expected_value", Type.NUMBER, "Probability × match × money", unit="currency"),
            Column("reason", Type.STRING, "Why this coupon, in English", privacy=Privacy.PERSON),
            Column("reason_zh", Type.STRING, "Why this coupon, in Chinese", privacy=Privacy.PERSON),
        ),
        key=("campaign_id", "person_id"),
        kind=TableKind.DERIVED,
    ),
    Table(
        "effect",
        "what one past campaign brought",
        (
            Column("campaign_id", Type.STRING, "The campaign", required=True),
            Column("as_of", Type.DATE, "The last day that outcomes are known for", required=True),
            Column("method", Type.STRING, "How it was estimated", required=True),
            Column("is_observational", Type.BOOLEAN, "Whether no holdout was drawn", required=True),
            Column("days", Type.INTEGER, "Days of the campaign that are known", unit="days"),
            Column("targeted", Type.INTEGER, "Persons targeted", unit="people"),
            Column("compared", Type.INTEGER, "Persons they were compared with", unit="people"),
            Column("effective", Type.NUMBER, "So many equally weighted persons the comparison is worth", unit="people"),
            Column("imbalance", Type.NUMBER, "Largest standardised difference left", unit="standard deviations"),
            Column("naive", Type.NUMBER, "Plain difference of money a person", unit="currency"),
            Column("naive_low", Type.NUMBER, "Its 95 % interval from", unit="currency"),
            Column("naive_high", Type.NUMBER, "Its 95 % interval to", unit="currency"),
            Column("value", Type.NUMBER, "Effect: money a targeted person", unit="currency"),
            Column("value_low", Type.NUMBER, "Its 95 % interval from", unit="currency"),
            Column("value_high", Type.NUMBER, "Its 95 % interval to", unit="currency"),
            Column("total", Type.NUMBER, "Effect over all targeted persons", unit="currency"),
            Column("placebo", Type.NUMBER, "The same on the weeks before the campaign", unit="currency"),
            Column("placebo_low", Type.NUMBER, "Its 95 % interval from", unit="currency"),
            Column("placebo_high", Type.NUMBER, "Its 95 % interval to", unit="currency"),
            Column("verdict", Type.STRING, "Whether to believe it", required=True, values=EFFECT_VERDICTS),
            Column("reason", Type.STRING, "Why, in English", required=True),
            Column("reason_zh", Type.STRING, "Why, in Chinese", required=True),
        ),
        key=("campaign_id",),
        kind=TableKind.DERIVED,
    ),
)
