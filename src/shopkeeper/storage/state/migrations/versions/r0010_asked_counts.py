"""The audiences that were counted for who may not see persons."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0007"


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "asked_counts",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("who", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sa.Column("told", sa.BigInteger),
        sa.Column("root", sa.BigInteger),
        sa.Column("rule", sa.Text),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_asked_counts"),
    )
