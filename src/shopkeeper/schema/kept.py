"""What is kept of coming in: refused rows and quality checks."""

from shopkeeper.schema.table import Column, Privacy, Table, TableKind, Type

__all__ = ["KEPT"]

KEPT = (
    Table(
        "refused",
        "one row that was turned away, with its reason; the row itself is in the vault",
        (
            Column("refused_id", Type.STRING, "Its id: the same row of the same source has the same", required=True),
            Column("table_name", Type.STRING, "The table it was meant for", required=True),
            Column("source", Type.STRING, "The source system", required=True),
            Column("file_name", Type.STRING, "The file, without folder"),
            Column("row_no", Type.INTEGER, "The line or sheet row in the file, from 1"),
            Column("column_name", Type.STRING, "The column at fault; empty: the row as a whole"),
            Column("reason", Type.STRING, "What is wrong, as a word", required=True),
            Column("masked_value", Type.STRING, "The value's form, never the value"),
            Column("others", Type.STRINGS, "Further faults of the row, as column: reason"),
            Column("body_key", Type.STRING, "Key of the whole row in the vault", privacy=Privacy.TOKEN),
            Column(
                "state",
                Type.STRING,
                "Whether it still waits",
                required=True,
                values=("open", "replayed", "corrected", "erased"),
            ),
            Column("refused_at", Type.INSTANT, "When it was turned away", required=True),
            Column("settled_at", Type.INSTANT, "When it came in after all"),
            Column("ordinal", Type.INTEGER, "Its place among the lines of its order, where lines bear no number"),
            Column(
                "event_name",
                Type.STRING,
                "Of an event its name, or the form of an unknown one, or its type where it has none",
            ),
        ),
        key=("refused_id",),
        kind=TableKind.MASTER,
    ),
    Table(
        "quality_check",
        "one check of one table, as it came out last",
        (
            Column("check_name", Type.STRING, "Its name", required=True),
            Column("table_name", Type.STRING, "The table it looks at", required=True),
            Column("severity", Type.STRING, "Whether a failure is an error", required=True, values=("rule", "warning")),
            Column("ok", Type.BOOLEAN, "Whether it is kept", required=True),
            Column("found", Type.INTEGER, "How many rows or days break it", unit="rows", required=True),
            Column("sample", Type.STRING, "Some of them, by their keys", privacy=Privacy.PERSON),
            Column("checked_at", Type.INSTANT, "When it was looked at", required=True),
        ),
        key=("check_name", "table_name"),
        kind=TableKind.DERIVED,
    ),
)
