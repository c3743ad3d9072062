"""What runs by itself (jobs, runs, assignments); every user has a language; what is append-only stays so."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

_INSTANT = sa.DateTime(timezone=True)
_APPEND_ONLY = ("audit", "segment_versions")


def upgrade() -> None:
    """Adds the tables and holds what was agreed."""
    op.execute(sa.text("UPDATE users SET language = 'en' WHERE language IS NULL"))
    with op.batch_alter_table("users") as batch:
        batch.alter_column("language", existing_type=sa.Text, nullable=False)
    _jobs()
    _runs()
    for table in _APPEND_ONLY:
        _append_only(table)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("planned_at", _INSTANT),
        sa.Column("next_at", _INSTANT),
        sa.Column("last_started_at", _INSTANT),
        sa.Column("last_ended_at", _INSTANT),
        sa.Column("last_error", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("held_until", _INSTANT),
        sa.PrimaryKeyConstraint("name", name="pk_jobs"),
    )
    op.create_index("ix_jobs_next_at", "jobs", ["next_at"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("as_of", sa.Text),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "run_steps",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("skipped", sa.Boolean, nullable=False),
        sa.Column("quality", sa.JSON, nullable=False),
        sa.Column("ended_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_run_steps"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_steps_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "assignments",
        sa.Column("campaign_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("drawn_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "person_id", name="pk_assignments"),
    )


def _append_only(table: str) -> None:
    message = f"{table} is append-only"
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )
