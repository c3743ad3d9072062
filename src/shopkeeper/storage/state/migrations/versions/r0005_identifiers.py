"""Which identifier belongs to which person, and which records belong to another person than their own, since when."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "identifiers",
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("first_seen_on", sa.Date, nullable=False),
        sa.Column("last_seen_on", sa.Date, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("token", name="pk_identifiers"),
    )
    op.create_index("ix_identifiers_person_id", "identifiers", ["person_id"])
    op.create_index("ix_identifiers_claimed_by", "identifiers", ["claimed_by"])
    op.create_table(
        "person_merges",
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.Column("until", _INSTANT),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("into_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("record_id", "since", name="pk_person_merges"),
    )
    op.create_index("ix_person_merges_token", "person_merges", ["token"])
    op.create_index("ix_person_merges_into_id", "person_merges", ["into_id"])
