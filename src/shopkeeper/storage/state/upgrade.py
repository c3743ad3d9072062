"""Leads a state store to the newest revision, in one transaction: killed anywhere, it is as it was before."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select, table, text
from sqlalchemy.sql.expression import column

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.state.failure import translated
from shopkeeper.storage.state.tables import HEAD

__all__ = ["revision_of", "upgrade_to"]

# Any number will do, as long as nobody else in the database takes the same advisory lock.
_UPGRADE_LOCK = 7_360_201


def revision_of(engine: Engine) -> str | None:
    """Gives the revision of the store, None when nothing was made yet.

    Raises:
        StorageError, UnavailableError: It cannot be read.
    """
    with translated(engine.url.render_as_string(hide_password=True)), engine.connect() as connection:
        return _revision(connection)


def upgrade_to(engine: Engine, revision: str = HEAD) -> None:
    """Upgrades the store in one transaction; two that start at once follow each other.

    Args:
        engine: With foreign keys off on SQLite: a table that is rebuilt is dropped in between.
        revision: Where to stop.

    Raises:
        StorageError: A newer Shopkeeper wrote this store, or the upgrade failed and was rolled back.
    """
    place = engine.url.render_as_string(hide_password=True)
    with translated(place), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        present = _revision(connection)
        if present is not None and present > HEAD:
            raise StorageError(
                f"the state store is at revision {present}, newer than this Shopkeeper's {HEAD}",
                place=place,
                next_step="install the newer Shopkeeper again",
            )
        if present is None or present < revision:
            _migrate(connection, revision)
        _check_references(connection, place)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(select(column("version_num")).select_from(table("alembic_version")))


def _migrate(connection: Connection, revision: str) -> None:
    # Alembic takes a fifth of a second to import and is needed once a release.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StorageError(
            f"the state store cannot be upgraded: {error}",
            place=connection.engine.url.render_as_string(hide_password=True),
            next_step="shopkeeper doctor",
        ) from error


def _check_references(connection: Connection, place: str) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise StorageError(
            f"{len(broken)} rows point to nothing, first in table {broken[0][0]}; nothing was changed",
            place=place,
            next_step="shopkeeper restore FILE",
        )
