"""How far readers of the log have come whose work is the same when it is done twice."""

from sqlalchemy import select

from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Positions"]


class Positions:
    """The positions of readers of the log, by their names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, reader: str) -> int:
        """The position up to which a reader has done its work, 0 for one that never did."""
        query = select(tables.positions.c.position).where(tables.positions.c.reader == reader)
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def move(self, reader: str, position: int) -> None:
        """Notes how far a reader has come; it never goes back."""
        table = tables.positions
        upsert = self._database.insert(table).values(reader=reader, position=position)
        with self._database.write() as connection:
            connection.execute(
                upsert.on_conflict_do_update(
                    index_elements=["reader"], set_={"position": position}, where=table.c.position < position
                )
            )
