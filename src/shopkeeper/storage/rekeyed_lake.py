"""A table of the lake under a new token key: its files with other names in them, in one commit that notes the key."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopkeeper.base.errors import ConflictError, MissingError
from shopkeeper.schema.table import Column, Privacy
from shopkeeper.storage.catalog import translated
from shopkeeper.storage.erase import follows, forget_states, remove_files
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.parquet import publish, staging
from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.scan import local_path

__all__ = ["check_writable", "rekey_table"]

_NOTE: Final = "shopkeeper.token_key"
_LIKELY: Final = "[a-z]_[A-Za-z0-9_-]{24}"
_LOOKS: Final = frozenset({("event", "identifiers"), ("quality_check", "sample")})
"""Where whatever looks like a token is taken for one, known or not; what a check quotes is made anew by the next."""
_BY_NAME: Final = frozenset({"customer_id", "referrer_customer_id", "person_id", "unit", "refused_id"})

_Renamed = Callable[[Sequence[Any]], Sequence[Any]]


def check_writable(lake: Lake, name: str) -> None:
    """Sees that the files of a table can be put in the place of others.

    Raises:
        ConflictError: It is none of the dictionary, or a foreign writer left deletes beside the files, or texts of a
            type that nobody here writes.
        StorageError: One cannot be read, or is of another folder.
    """
    try:
        lake.declared(name)
    except MissingError as error:
        raise ConflictError(
            f"table {name} is none of the dictionary, so nobody knows where it holds tokens",
            next_step=f"move {name} out of the namespace, then do the same again",
        ) from error
    scan = lake.scan(name)
    for path in map(Path, scan.files):
        with translated(str(path)):
            schema = pq.read_schema(path)
        odd = [field.name for field in schema if _may_hold_text(field.type) and not _is_renamed(field.type)]
        if odd:
            raise ConflictError(
                f"column {odd[0]} of table {name} is of a type that is not renamed, {schema.field(odd[0]).type}",
                place=str(path),
                next_step="let who wrote it write text",
            )
    if scan.rows is not None:
        raise ConflictError(
            f"table {name} has deletes of a foreign writer", next_step=f"let that writer rewrite the files of {name}"
        )


def rekey_table(lake: Lake, name: str, renaming: Renaming) -> int:
    """Renames what the files of a table hold, and forgets every older state of it, so that its bytes are gone.

    Args:
        lake: The lake; nobody writes it.
        name: The table.
        renaming: Gives the new names.

    Returns:
        How many rows the files have that were written anew.
    """
    present = lake.snapshot(name)
    if present is None:
        return 0
    check_writable(lake, name)
    key, rows = renaming.chain.ids[-1], 0
    if present.properties.get(_NOTE) != key:
        old, new = set[str](), list[str]()
        hows = {column.name: _how(column, name, renaming) for column in lake.declared(name).columns}
        for path in lake.scan(name).files:
            with staging(lake.folder(name)) as place:
                made = _rewritten(Path(path), place / "rows.parquet", hows, renaming.texts)
                if made:
                    rows += made
                    old.add(path)
                    new += publish([place / "rows.parquet"], lake.folder(name))
        if old:
            note = {**present.properties, **follows(present), _NOTE: key}
            lake.replace(name, new, note, removes=lambda file: local_path(file.file_path) in old, expected=present.id)
    if len(lake.history(name)) > 1:
        remove_files(forget_states(lake, name), wait=timedelta(0))
    return rows


def _how(column: Column, table: str, renaming: Renaming) -> _Renamed:
    """How the texts of a column are renamed."""
    if column.name == "message_id":
        return renaming.messages
    if (table, column.name) == ("event", "payload_hash"):
        return lambda texts: [_content(text, renaming) for text in texts]
    if (table, column.name) in _LOOKS:
        return lambda texts: renaming.texts(texts, None)
    is_name = column.privacy is Privacy.TOKEN or column.name in _BY_NAME
    return renaming.names if is_name else renaming.texts


def _content(text: str | None, renaming: Renaming) -> str | None:
    return renaming.chain.content(bytes.fromhex(text)).hex() if text else text


def _rewritten(path: Path, target: Path, hows: dict[str, _Renamed], others: _Renamed) -> int:
    """Writes a file anew where anything in it is renamed, and says how many rows it has then; else 0.

    Args:
        path: The file.
        target: Where it is written.
        hows: How columns are renamed.
        others: How those are that the dictionary does not have.
    """
    with pq.ParquetFile(path) as file:
        schema, writer, waiting = file.schema_arrow, None, []
        try:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                new = _renamed(rows, hows, others)
                if writer is None and new is None:
                    waiting.append(group)  # perhaps the whole file stays as it is
                    continue
                if writer is None:
                    writer = pq.ParquetWriter(
                        target, schema, compression="zstd", compression_level=1, store_decimal_as_integer=True
                    )
                    for before in waiting:
                        writer.write_table(file.read_row_group(before))
                writer.write_table(rows if new is None else new)
        finally:
            if writer is not None:
                writer.close()
        return file.metadata.num_rows if writer is not None else 0


def _renamed(rows: pa.Table, hows: dict[str, _Renamed], others: _Renamed) -> pa.Table | None:
    """The rows with other names in them; None where nothing is renamed."""
    changed = False
    for place, field in enumerate(rows.schema):
        if not rows.num_rows:
            continue
        how = hows.get(field.name) or others
        before = rows.column(place)
        after = _renamed_column(before.combine_chunks(), field.type, how, is_hash=field.name == "payload_hash")
        if after is not None:
            rows, changed = rows.set_column(place, field, after), True
    return rows if changed else None


def _renamed_column(column: Any, kind: pa.DataType, how: _Renamed, *, is_hash: bool) -> pa.Array | None:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)
    if _is_text(kind):
        encoded = column.dictionary_encode()
        if not is_hash and not _is_likely(encoded.dictionary):
            return None
        before = encoded.dictionary.to_pylist()
        after = list(how(before))
        return None if after == before else pa.array(after, kind).take(encoded.indices)
    if _is_list(kind) and _is_text(kind.value_type):
        parts = [column.values]
    elif pa.types.is_map(kind):
        parts = [each for each in (column.keys, column.items) if _is_text(each.type)]
    else:
        return None
    if not any(_is_likely(part) for part in parts):
        return None
    before = column.to_pylist()
    texts = list({text for value in before for text in _flat(value) if isinstance(text, str)})
    new = dict(zip(texts, how(texts), strict=True))
    return pa.array([_put(value, new) for value in before], kind)


def _may_hold_text(kind: pa.DataType) -> bool:
    inner = [kind.field(place).type for place in range(kind.num_fields)]
    if pa.types.is_dictionary(kind):
        inner = [kind.value_type]
    return "string" in str(kind) or "utf8" in str(kind) or any(map(_may_hold_text, inner))


def _is_renamed(kind: pa.DataType) -> bool:
    if _is_list(kind):
        return _is_text(kind.value_type)
    if pa.types.is_map(kind):
        return all(_is_text(each) or not _may_hold_text(each) for each in (kind.key_type, kind.item_type))
    return _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_likely(texts: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, _LIKELY)).as_py())


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    return [part for each in value for part in (each if isinstance(each, tuple) else (each,))]


def _put(value: Any, new: dict[str, Any]) -> Any:
    if value is None:
        return None
    return [
        tuple(new.get(part, part) for part in each) if isinstance(each, tuple) else new.get(each, each)
        for each in value
    ]
