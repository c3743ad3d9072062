"""How far the map of identifiers holds the lake's identifiers, and how often records moved."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0005b"


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "map_marks",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_map_marks"),
    )
