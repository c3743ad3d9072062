"""The tables of the state store, as they are at the newest revision; `migrations` leads every older store here."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

__all__ = [
    "HEAD",
    "METADATA",
    "Instant",
    "api_keys",
    "asked_counts",
    "assignments",
    "audit",
    "audit_head",
    "consent_texts",
    "consents",
    "identifiers",
    "jobs",
    "leases",
    "live_members",
    "loads",
    "map_marks",
    "mappings",
    "person_flags",
    "person_merges",
    "positions",
    "requests",
    "run_steps",
    "runs",
    "segment_changes",
    "segment_timers",
    "segment_versions",
    "segments",
    "sessions",
    "settings",
    "user_stores",
    "users",
    "webhook_outbox",
    "webhooks",
]

HEAD = "0010"

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An instant: goes in with a time zone, is kept and comes out in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a time without zone: it would be an instant nobody knows."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone, such as datetime.now(UTC)")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Gives the instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _key(name: str, *reference: Any, **options: Any) -> Column[Any]:
    return Column(name, Text, *reference, primary_key=True, **options)


users = Table(
    "users",
    METADATA,
    _key("id"),
    Column("name", Text, nullable=False, unique=True),
    Column("email_token", Text),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("org_unit", Text),
)

user_stores = Table(
    "user_stores",
    METADATA,
    _key("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    _key("store_id"),
)

sessions = Table(
    "sessions",
    METADATA,
    _key("hashed_id"),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf_secret", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("idle_until", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
)

segments = Table(
    "segments",
    METADATA,
    _key("name"),
    Column("version", Integer, nullable=False),
    Column("archived_at", Instant),
    Column("archived_by", Text),
)

segment_versions = Table(
    "segment_versions",
    METADATA,
    _key("name", ForeignKey("segments.name")),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("tree", JSON, nullable=False),
    Column("label_en", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("published", Boolean, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

mappings = Table(
    "mappings",
    METADATA,
    _key("source"),
    _key("table_name"),
    Column("mapping", JSON, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
)

loads = Table(
    "loads",
    METADATA,
    _key("id"),
    Column("file_name", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("watermark", Text),
    Column("error", Text),
    Column("started_by", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("ix_loads_source_table_name", "source", "table_name", "started_at"),
)

leases = Table(
    "leases",
    METADATA,
    _key("name"),
    Column("holder", Text, nullable=False),
    Column("note", JSON, nullable=False),
    Column("acquired_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("origin", Text),
    Column("detail", JSON, nullable=False),
    Column("happened_at", Instant, nullable=False),
    Column("hash", Text, nullable=False),
)

audit_head = Table(
    "audit_head",
    METADATA,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

settings = Table(
    "settings",
    METADATA,
    _key("name"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("value", JSON, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
)

jobs = Table(
    "jobs",
    METADATA,
    _key("name"),
    Column("state", Text, nullable=False),
    Column("planned_at", Instant),
    Column("next_at", Instant),
    Column("last_started_at", Instant),
    Column("last_ended_at", Instant),
    Column("last_error", Text),
    Column("attempts", Integer, nullable=False),
    Column("holder", Text),
    Column("held_until", Instant),
    Index("ix_jobs_next_at", "next_at"),
)

runs = Table(
    "runs",
    METADATA,
    _key("id"),
    Column("as_of", Text),
    Column("engine", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("error", Text),
    Index("ix_runs_started_at", "started_at"),
)

run_steps = Table(
    "run_steps",
    METADATA,
    _key("run_id", ForeignKey("runs.id", ondelete="CASCADE")),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("skipped", Boolean, nullable=False),
    Column("quality", JSON, nullable=False),
    Column("ended_at", Instant, nullable=False),
)

assignments = Table(
    "assignments",
    METADATA,
    _key("campaign_id"),
    _key("person_id"),
    Column("variant", Text, nullable=False),
    Column("drawn_at", Instant, nullable=False),
)

api_keys = Table(
    "api_keys",
    METADATA,
    _key("id"),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("source", Text),
    Column("is_browser", Boolean, nullable=False),
    Column("user_kind", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)

positions = Table(
    "positions",
    METADATA,
    _key("reader"),
    Column("position", BigInteger, nullable=False),
)

consents = Table(
    "consents",
    METADATA,
    _key("id"),
    Column("person_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("text_version", Text),
    Column("text_language", Text),
    Column("source", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("message_id", Text),
    Index("ix_consents_person_id", "person_id", "purpose", "channel", "occurred_at"),
)

consent_texts = Table(
    "consent_texts",
    METADATA,
    _key("version"),
    _key("language"),
    Column("purpose", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
)

person_flags = Table(
    "person_flags",
    METADATA,
    _key("id"),
    Column("person_id", Text, nullable=False),
    Column("flag", Text, nullable=False),
    Column("is_set", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index("ix_person_flags_person_id", "person_id", "flag", "occurred_at"),
)

requests = Table(
    "requests",
    METADATA,
    _key("id"),
    Column("kind", Text, nullable=False),
    Column("person_id", Text, index=True),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("done_by", Text),
    Column("done_at", Instant),
    Column("receipt", JSON),
    Index("ix_requests_state", "state", "due_at"),
)

live_members = Table(
    "live_members",
    METADATA,
    _key("segment"),
    Column("person_id", Text, primary_key=True, index=True),
    Column("version", Integer, nullable=False),
    Column("entered_at", Instant, nullable=False),
)

segment_timers = Table(
    "segment_timers",
    METADATA,
    _key("segment"),
    Column("person_id", Text, primary_key=True, index=True),
    Column("due_at", Instant, nullable=False, index=True),
)

segment_changes = Table(
    "segment_changes",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("cause", Text, nullable=False),
    UniqueConstraint("segment", "version", "person_id", "occurred_at", "kind"),
)

webhooks = Table(
    "webhooks",
    METADATA,
    _key("name"),
    Column("url", Text, nullable=False),
    Column("segments", JSON, nullable=False),
    Column("secret_key_id", Text, nullable=False),
    Column("sealed_secret", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

webhook_outbox = Table(
    "webhook_outbox",
    METADATA,
    _key("webhook", ForeignKey("webhooks.name", ondelete="CASCADE")),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("answer", Text),
    Index("ix_webhook_outbox_next_at", "state", "next_at"),
)

identifiers = Table(
    "identifiers",
    METADATA,
    _key("token"),
    Column("person_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("first_seen_on", Date, nullable=False),
    Column("last_seen_on", Date, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("claimed_by", Text, index=True),
    Column("claimed_at", BigInteger),
)

person_merges = Table(
    "person_merges",
    METADATA,
    _key("record_id"),
    Column("since", Instant, primary_key=True),
    Column("until", Instant),
    Column("token", Text, nullable=False, index=True),
    Column("into_id", Text, nullable=False, index=True),
)

map_marks = Table(
    "map_marks",
    METADATA,
    _key("name"),
    Column("number", BigInteger, nullable=False),
)

asked_counts = Table(
    "asked_counts",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("who", Text),
    Column("size", BigInteger, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    Column("told", BigInteger),
    Column("root", BigInteger),
    Column("rule", Text),
    Column("asked_at", Instant, nullable=False),
)
