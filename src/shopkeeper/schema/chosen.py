"""Who was chosen: segment members."""

from shopkeeper.schema.table import Column, Privacy, Table, TableKind, Type

__all__ = ["CHOSEN"]

CHOSEN: tuple[Table, ...] = (
    Table(
        "segment_member",
        "one stay of one person in one segment",
        (
            Column("segment", Type.STRING, "The segment's name", required=True),
            Column("person_id", Type.STRING, "The person", required=True, privacy=Privacy.PERSON),
            Column("entered_at", Type.INSTANT, "From when the person is in it", required=True),
            Column("left_at", Type.INSTANT, "From when no longer; empty while it lasts"),
            Column("version", Type.INTEGER, "Version of the segment's definition by which the person entered"),
        ),
        key=("segment", "person_id", "entered_at"),
        kind=TableKind.DERIVED,
    ),
)
