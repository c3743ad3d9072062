"""A process that writes a log, sends to it and says what was acknowledged: `… FOLDER KIND BATCHES SENDERS NAME`.

The service, its socket and its senders are the real ones, in one process, so that one trace tells the order of syncs
and acknowledgements.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from reliability.kinds import KINDS
from reliability.ledger import batch_of
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_client import LogClient
from shopkeeper.storage.log_service import LogService


async def _send(client: LogClient, batches: Iterator[Batch]) -> None:
    for batch in batches:
        ids = " ".join(entry.message_id for entry in batch.entries)
        os.write(1, f"sends {ids}\n".encode())
        try:
            await client.append(batch)
        except ShopkeeperError:
            continue
        os.write(1, f"acknowledged {ids}\n".encode())


async def _record(folder: Path, kind: str, batches: int, senders: int, name: str) -> None:
    log = KINDS[kind](folder / "log.db")
    service = LogService(log, folder / "s")
    await service.start()
    client = LogClient(folder / "s")
    coming = (batch_of(f"{name}.{number}", 1 + number % 7) for number in range(batches))
    await asyncio.gather(*(_send(client, coming) for _ in range(senders)))


def main(folder: str, kind: str, batches: str, senders: str, name: str) -> None:
    """Ends without closing anything: a power cut closes nothing either."""
    asyncio.run(_record(Path(folder), kind, int(batches), int(senders), name))
    os._exit(0)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    finally:
        os._exit(1)
