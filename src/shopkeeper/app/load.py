"""Loads files or a database query into a source table, and lets refused rows in again after a fix."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Pairs
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from shopkeeper.app.consent_import import replay_consents
from shopkeeper.app.erased import erased_meanwhile
from shopkeeper.app.event_replay import replay_events
from shopkeeper.app.lease import loading
from shopkeeper.app.log import logger, noted
from shopkeeper.app.map_seed import seed
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import DataError, MissingError, ShopkeeperError, UsageError
from shopkeeper.collect.load import Loader, Preview
from shopkeeper.collect.mapping import Mapping
from shopkeeper.collect.propose import Proposal
from shopkeeper.collect.receipt import Receipt
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import TableKind
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.sealed import SealedFile

__all__ = [
    "ColumnMapping",
    "Receipt",
    "also_described",
    "list_refused",
    "load",
    "load_also",
    "mapping_for",
    "preview",
    "propose",
    "replay",
    "show_refused",
]

ColumnMapping = Mapping
"""How the columns of a file become those of a table."""

Progress = Callable[[str, int], None]
_CHUNK = 1 << 20
_NAMED_BY_TICKETS = ("product", "store")


def loader(shop: Shop) -> Loader:
    """The loader of a shop."""
    chain = shop.settings.chain
    return Loader(
        shop.lake, shop.duckdb, shop.vault, shop.tokens, shop.spill / "loads", chain.time_zone, chain.cutover_hour
    )


def propose(
    shop: Shop, table: str, file: str | SealedFile, *, source: str = "file", query: str | None = None
) -> Proposal:
    """Proposes a mapping for a file by its headers and values."""
    _loadable(table)
    return loader(shop).propose(table, file, name=source, query=query)


def mapping_for(
    shop: Shop,
    table: str,
    files: Sequence[str | SealedFile],
    *,
    source: str,
    mapping: Path | None,
    query: str | None = None,
) -> tuple[Mapping, str]:
    """Gives the mapping of a load and where it comes from: the file named, the one saved, or a proposal.

    Returns:
        The mapping, and `file`, `saved` or `proposed`.
    """
    _loadable(table)
    if mapping is not None:
        if not mapping.exists():
            raise MissingError(
                f"there is no mapping file {mapping}", next_step="leave --mapping out for a proposed one"
            )
        text = mapping.read_text(encoding="utf-8")
        return Mapping.from_toml(text, table=table, place=str(mapping)).with_source(source), "file"
    saved = shop.state.mappings.find(source, table)
    if saved is not None:
        return Mapping.from_dict(saved.mapping, table=table).with_source(source), "saved"
    proposal = propose(shop, table, files[0], source=source, query=query)
    if proposal.mapping is None:
        seen = ", ".join(f"{guess.header} → {guess.target or 'left out'}" for guess in proposal.guesses)
        raise DataError(
            f"nothing in the file was found for {', '.join(proposal.missing)} of table {table}",
            place=f"headers: {seen}",
            next_step="write a mapping file and name it with --mapping (see docs/loading.md)",
        )
    return proposal.mapping, "proposed"


def preview(
    shop: Shop,
    table: str,
    files: Sequence[str | SealedFile],
    *,
    source: str = "file",
    mapping: Mapping | None = None,
    replace: bool = False,
    only_new: bool = False,
    since: str | None = None,
    query: str | None = None,
) -> Preview:
    """Says what a load would do, and changes nothing."""
    mapping = mapping or mapping_for(shop, table, files, source=source, mapping=None, query=query)[0]
    watermark = shop.state.loads.watermark(source, table) if since else None
    return loader(shop).preview(
        files, mapping, now=now(shop), replace=replace, only_new=only_new, since=since, watermark=watermark, query=query
    )


def load(
    shop: Shop,
    table: str,
    files: Sequence[str | SealedFile],
    *,
    source: str = "file",
    mapping: Path | Mapping | None = None,
    replace: bool = False,
    only_new: bool = False,
    since: str | None = None,
    query: str | None = None,
    by: str = "cli",
    progress: Progress | None = None,
) -> Receipt:
    """Loads files or a query into a source table and records what became of each row; one load of a table at a time.

    Args:
        shop: The shop.
        table: A source table.
        files: Paths or sealed files, or one database URL.
        source: Name of the source system.
        mapping: A mapping or its file; the saved or a proposed one by default.
        replace: Whether rows may replace facts under the same key.
        only_new: Whether rows whose key is known leave it as it is; the mapping is then not kept for next time.
        since: Column whose greatest value is kept as a watermark.
        query: The query, for a database.
        by: Who asked, for the record.
        progress: Told the source's name and the rows read so far.

    Raises:
        ConflictError: Another load of the table is under way.
    """
    if not isinstance(mapping, Mapping):
        mapping = mapping_for(shop, table, files, source=source, mapping=mapping, query=query)[0]
    watermark = shop.state.loads.watermark(source, table) if since else None
    name = ", ".join(_shown(file) for file in files)
    with loading(shop, table, by) as renew:

        def told(source_name: str, rows: int) -> None:
            renew()
            if progress:
                progress(source_name, rows)

        record = shop.state.loads.start(
            name, _content_hash(files, query), table_name=table, source=source, by=by, now=now(shop)
        )
        try:
            with erased_meanwhile(shop):
                receipt = loader(shop).load(
                    files,
                    mapping,
                    now=now(shop),
                    replace=replace,
                    only_new=only_new,
                    since=since,
                    watermark=watermark,
                    query=query,
                    progress=told,
                )
        except ShopkeeperError as error:
            shop.state.loads.fail(record.id, noted(error), now=now(shop))
            raise
    counts = {key: value for key, value in asdict(receipt).items() if key not in {"table", "watermark"}}
    shop.state.loads.finish(record.id, counts, now=now(shop), watermark=receipt.watermark or watermark)
    if not only_new:
        shop.state.mappings.save(source, table, mapping.to_dict(), by=by, now=now(shop))
    _seed(shop)
    return receipt


def also_described(shop: Shop, mapping: Mapping, file: str | SealedFile) -> dict[str, Mapping]:
    """Gives the master tables that a file of tickets describes on the side, each with how: product and store.

    Args:
        shop: The shop.
        mapping: How the file itself is loaded; only order lines name goods and stores.
        file: A path or a sealed file.

    Returns:
        Table → mapping, where the file has more of it than the key; none where it cannot be looked at.
    """
    if mapping.table != "order_line" or (isinstance(file, str) and "://" in file):
        return {}
    try:
        proposed = {
            name: loader(shop).propose(name, file, name=mapping.source, shape=mapping.shape).mapping
            for name in _NAMED_BY_TICKETS
        }
    except ShopkeeperError as error:
        logger("load").warning("goods and stores that the tickets name were not looked for", why=noted(error))
        return {}
    return {name: other for name, other in proposed.items() if other is not None and _describes(other)}


def load_also(
    shop: Shop,
    others: Pairs[str, Mapping],
    files: Sequence[str | SealedFile],
    *,
    source: str,
    by: str = "cli",
    progress: Progress | None = None,
) -> Iterator[tuple[str, Receipt | ShopkeeperError]]:
    """Loads what tickets describe on the side, as far as it is not known yet.

    The tickets are loaded by then, so that an error is told beside the receipts.

    Args:
        shop: The shop.
        others: Table → mapping, as `also_described` gave them.
        files: The files of tickets.
        source: Name of the source system.
        by: Who asked, for the record.
        progress: Told the source's name and the rows read so far.
    """
    for name, mapping in others.items():
        try:
            receipt = load(shop, name, files, source=source, mapping=mapping, only_new=True, by=by, progress=progress)
        except ShopkeeperError as error:
            yield name, error
        else:
            yield name, receipt


def _describes(mapping: Mapping) -> bool:
    keys = mapping.declared.key
    return any(rule.column is not None and rule.target not in keys for rule in mapping.rules)


def list_refused(shop: Shop) -> list[dict[str, Any]]:
    """Refused rows that wait, by table, source, file and reason."""
    query = Query.from_sql(
        "SELECT table_name, source, file_name, column_name, reason, COUNT(*) AS rows, MAX(refused_at) AS refused_at "
        "FROM refused WHERE state = 'open' "
        "GROUP BY table_name, source, file_name, column_name, reason ORDER BY rows DESC, table_name, reason",
        name="refused",
    )
    return list(shop.arrow(query).to_pylist())


def show_refused(shop: Shop, table: str | None = None, limit: int = 50) -> pa.Table:
    """Refused rows that wait: where each stood, what was wrong, and the value's form."""
    where = " AND table_name = $table" if table else ""
    named: dict[str, Any] = {"table": table} if table else {}
    query = Query.from_sql(
        "SELECT refused_id, table_name, source, file_name, row_no, column_name, reason, masked_value, refused_at "
        f"FROM refused WHERE state = 'open'{where} ORDER BY table_name, file_name, row_no LIMIT {int(limit)}",
        name="refused rows",
        **named,
    )
    return shop.arrow(query)


def replay(
    shop: Shop, table: str, *, source: str, mapping: Path | None = None, ids: Sequence[str] = (), replace: bool = False
) -> Receipt:
    """Lets refused rows of a table in again after a fix; those that still break the contract keep waiting."""
    if table == "event":
        return replay_events(shop, source=source or None, ids=ids)
    if table == "consent":
        return replay_consents(shop, source=source, ids=ids)
    _loadable(table)
    if mapping is None:
        saved = shop.state.mappings.find(source, table)
        if saved is None:
            raise MissingError(
                f"no mapping of {source} into {table} was saved", next_step="name the mended one with --mapping"
            )
        chosen = Mapping.from_dict(saved.mapping, table=table)
    else:
        chosen = mapping_for(shop, table, [], source=source, mapping=mapping)[0]
    with loading(shop, table, "replay"):
        receipt = loader(shop).replay(table, chosen, now=now(shop), source=source, ids=ids, replace=replace)
    shop.state.mappings.save(source, table, chosen.to_dict(), by="replay", now=now(shop))
    _seed(shop)
    return receipt


def _seed(shop: Shop) -> None:
    """Lets live events join whom the file named; the load is done by now, and an error must not fail it."""
    try:
        seed(shop)
    except ShopkeeperError as error:
        logger("load").warning("the map of identifiers learns of the file with the next run", why=noted(error))


def _loadable(table: str) -> None:
    declared = declared_table(table)
    if table == "consent":
        raise UsageError(
            "table consent is a snapshot of the ledger, which alone is asked before anything is sent",
            next_step="shopkeeper consent import FILE",
        )
    if declared.kind is TableKind.DERIVED:
        raise UsageError(
            f"table {table} is computed, not loaded", next_step="shopkeeper run, or load one of its source tables"
        )


def _content_hash(files: Sequence[str | SealedFile], query: str | None) -> str:
    digest = hashlib.sha256((query or "").encode())
    for name in files:
        file = Path(name) if isinstance(name, str) else name
        if isinstance(file, Path) and ("://" in str(name) or not file.exists()):
            digest.update(_shown(name).encode())
            continue
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _shown(name: str | SealedFile) -> str:
    """A file's name without its folder, a database's address without who and what signs in."""
    if isinstance(name, SealedFile):
        return name.name
    if "://" in name:
        scheme, _, rest = name.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"
    return Path(name).name
