"""Access (个人信息查阅与复制): everything that is held of a person, in one file that a person can read."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shopkeeper.app.consent import ledger_of
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import mark_of, traces_of
from shopkeeper.base.errors import AlreadyThereError
from shopkeeper.collect.people import subject
from shopkeeper.privacy.held import held_of
from shopkeeper.privacy.reach import Traces, where_of
from shopkeeper.schema.consent import CHANNELS, PURPOSES
from shopkeeper.storage.engine.duckdb import scan_statement, translated

__all__ = ["Exported", "export_person"]

_README = """\
What {shop} holds about you, as of {at} UTC
================================================

values.json      phone numbers, e-mail addresses, names and texts, as you or a store gave them
tables/*.json    one file a table: every row that names you; tokens (such as ph_…) stand for the values above
consents.json    what you agreed to and withdrew, when, and which text you were shown
decisions.json   segments you are in, scores a computer worked out about you and its reasons
requests.json    what you asked of us, and by when it must be done
The meaning of each table and column stands in meaning.json. You may have anything corrected or erased: ask any store.

{shop} 持有的您的个人信息（截至 {at} UTC）
================================================

values.json      您或门店提供的手机号、电子邮件、姓名和文字
tables/*.json    每张表一个文件：与您有关的每一行；编码（如 ph_…）代表上面的值
consents.json    您同意或撤回的内容、时间，以及当时展示的文本
decisions.json   您所在的人群、计算机对您的评分及其理由
requests.json    您向我们提出的请求及其期限
各表各列的含义见 meaning.json。您可以要求更正或删除任何内容：请告知任一门店。
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds.

    Args:
        file: The file.
        values: Values from the vault.
        tables: Rows by table.
        consents: Changes in the consent ledger.
        not_reached: Places that are there and that this version cannot read for a person yet.
    """

    file: Path
    values: int
    tables: Mapping[str, int]
    consents: int
    not_reached: tuple[str, ...]


def export_person(shop: Shop, person_id: str, file: Path, *, by: str) -> Exported:
    """Writes everything that is held of a person into one zip file and leaves an audit row.

    Args:
        shop: The shop.
        person_id: The person.
        file: The new file; only its owner may read it.
        by: Who takes it.

    Raises:
        AlreadyThereError: The file is there.
        MissingError: There is no such person.
    """
    traces = traces_of(shop, person_id)
    if file.exists():
        raise AlreadyThereError("there is such a file", place=str(file), next_step="give another name")
    values = [
        {"source": source, "kind": kind, "value": raw, "token": token}
        for source, customer_id in traces.records
        for kind, token, raw in held_of(shop.vault, subject(source, customer_id))
    ]
    tables = dict(_tables(shop, traces))
    history = ledger_of(shop).history(person_id)
    file.touch(mode=0o600)
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            at = f"{now(shop):%Y-%m-%d %H:%M}"
            archive.writestr("README.txt", _README.format(shop=shop.settings.chain.name, at=at))
            _put(archive, "values.json", values)
            for name, rows in tables.items():
                _put(archive, f"tables/{name}.json", rows)
            _put(archive, "meaning.json", {name: _meaning(shop, name) for name in tables})
            _put(archive, "consents.json", _consents(shop, person_id))
            _put(archive, "decisions.json", _decisions(shop, person_id, tables))
            _put(archive, "requests.json", [asdict(each) for each in shop.state.requests.of(person_id)])
    except BaseException:
        file.unlink()
        raise
    counts = {name: len(rows) for name, rows in tables.items()}
    detail = {"values": len(values), "rows": sum(counts.values())}
    shop.state.audit.append(by, "person.export", mark_of(shop, person_id), now=now(shop), detail=detail)
    others = tuple(place for place in ("log.db", "live.db") if (shop.folder / place).exists())
    return Exported(file, len(values), counts, len(history), others)


def _tables(shop: Shop, traces: Traces) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in shop.lake.tables():
        table, where = shop.lake.declared(name), where_of(shop.lake.declared(name))
        if where is None:
            continue
        cursor = shop.duckdb.connection()
        try:
            with translated(name):
                for given, rows in traces.given().items():
                    cursor.register(given, rows)
                scan = shop.lake.scan(name)
                if scan.rows is not None:
                    cursor.register(f"{name}_rows", scan.rows)
                text = f"SELECT * FROM ({scan_statement(table, scan)}) AS {name} WHERE {where}"
                found = cursor.sql(text).to_arrow_table().to_pylist()
        finally:
            cursor.close()
        if found:
            yield name, found


def _meaning(shop: Shop, name: str) -> dict[str, Any]:
    table = shop.lake.declared(name)
    return {"one row is": table.meaning, "columns": {column.name: column.meaning for column in table.columns}}


def _consents(shop: Shop, person_id: str) -> dict[str, Any]:
    ledger = ledger_of(shop)
    texts = {(each.version, each.language): each.body for each in shop.state.consents.texts()}
    return {
        "now": [
            {"purpose": each.purpose, "channel": each.channel, "granted": each.granted}
            for each in ledger.standings(person_id, now=now(shop))
        ],
        "automated decisions": "allowed" if ledger.may_decide(person_id) else "switched off",
        "changes": [
            {**asdict(each), "text": texts.get((each.text_version or "", each.text_language or ""))}
            for each in ledger.history(person_id)
        ],
        "flags": [asdict(each) for each in shop.state.flags.of(person_id)],
        "words": {
            **{name: [each.label_english, each.label_chinese] for name, each in PURPOSES.items()},
            **{name: [each.label_english, each.label_chinese] for name, each in CHANNELS.items()},
        },
    }


def _decisions(shop: Shop, person_id: str, tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    labels = {each.name: [each.label_en, each.label_zh] for each in shop.state.segments.all()}
    campaigns = sorted({row["campaign_id"] for row in tables.get("campaign_target", []) if row["campaign_id"]})
    return {
        "segments": [{**row, "called": labels.get(row["segment"])} for row in tables.get("segment_member", [])],
        "scores": tables.get("score", []),
        "assignments": [asdict(each) for each in shop.state.assignments.all_of(person_id)],
        "campaigns": campaigns,
    }


def _put(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    archive.writestr(name, json.dumps(content, ensure_ascii=False, indent=1, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
