"""How far a user sees: a branch of the organisation, or stores."""

import sqlalchemy as sa
from alembic import op

revision = "0003b"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Adds the column and the table; whoever is there sees the whole chain, as before."""
    op.add_column("users", sa.Column("org_unit", sa.Text))
    op.create_table(
        "user_stores",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("store_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "store_id", name="pk_user_stores"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_stores_user_id", ondelete="CASCADE"),
    )
