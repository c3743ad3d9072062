"""Alembic runs this file; the connection and its transaction come from `upgrade.py`."""

from alembic import context
from sqlalchemy import Connection

connection: Connection = context.config.attributes["connection"]
# Alembic takes SQLite for unable to roll back DDL; with our own BEGIN it can.
context.configure(connection=connection, transactional_ddl=True)
context.run_migrations()
