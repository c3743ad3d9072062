"""Who is in which segment live, when to look again, what changed, and where the changes are sent."""

import sqlalchemy as sa
from alembic import op

revision = "0005b"
down_revision: str | None = "0005"

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "live_members",
        sa.Column("segment", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("entered_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("segment", "person_id", name="pk_live_members"),
    )
    op.create_index("ix_live_members_person_id", "live_members", ["person_id"])
    op.create_table(
        "segment_timers",
        sa.Column("segment", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("segment", "person_id", name="pk_segment_timers"),
    )
    op.create_index("ix_segment_timers_person_id", "segment_timers", ["person_id"])
    op.create_index("ix_segment_timers_due_at", "segment_timers", ["due_at"])
    op.create_table(
        "segment_changes",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("segment", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("occurred_at", _INSTANT, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_segment_changes"),
        sa.UniqueConstraint(
            "segment", "version", "person_id", "occurred_at", "kind", name="uq_segment_changes_segment"
        ),
    )
    op.create_table(
        "webhooks",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("segments", sa.JSON, nullable=False),
        sa.Column("secret_key_id", sa.Text, nullable=False),
        sa.Column("sealed_secret", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_webhooks"),
    )
    op.create_table(
        "webhook_outbox",
        sa.Column("webhook", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", _INSTANT, nullable=False),
        sa.Column("answer", sa.Text),
        sa.PrimaryKeyConstraint("webhook", "seq", name="pk_webhook_outbox"),
        sa.ForeignKeyConstraint(["webhook"], ["webhooks.name"], name="fk_webhook_outbox_webhook", ondelete="CASCADE"),
    )
    op.create_index("ix_webhook_outbox_next_at", "webhook_outbox", ["state", "next_at"])
