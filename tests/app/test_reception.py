"""The reception: messages are taken in pieces, so that others have their turn, and nothing tells where one ended."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from shopkeeper.app.collect import Answer, Reception, Sender
from shopkeeper.app.plan_file import PlanFile
from shopkeeper.app.shop import Shop, init
from shopkeeper.storage.log import Batch, Outcome, Status
from tests.storage.log_parts import in_own_loop

_NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
_SENDER = Sender("key_1", "app", is_browser=False, user_kind="member_no")


class _Kept:
    """Keeps batches in a list."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def append(self, batch: Batch) -> Outcome:
        self.batches.append(batch)
        return Outcome(len(self.batches), bytes([Status.ACCEPTED]) * len(batch.entries))


async def _taken(shop: Shop, kept: _Kept, messages: list[object]) -> tuple[Answer, int]:
    turns, is_over = 0, False

    async def another() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(another())
    answer = await Reception(shop, kept, PlanFile(shop.folder).plan).take(_SENDER, messages, now=_NOW)
    is_over = True
    await other
    return answer, turns


def test_others_have_their_turn_while_a_large_batch_is_taken(tmp_path: Path) -> None:
    messages: list[object] = [
        {"type": "track", "event": "Product Viewed", "userId": f"7{number % 9:04}", "messageId": f"m{number}"}
        for number in range(100)
    ]
    messages[37] = {"type": "track", "messageId": "nameless"}
    kept = _Kept()
    with init(tmp_path / "shop", {}) as shop:
        answer, turns = in_own_loop(_taken(shop, kept, messages))
    assert (answer.accepted, answer.refused) == (99, 1)
    assert [result.message_id for result in answer.results if result.message_id] == [
        f"m{number}" for number in range(100) if number != 37
    ]
    assert answer.results[37].reason == "no_name"
    assert [entry.message_id for entry in kept.batches[0].entries] == [
        f"m{number}" for number in range(100) if number != 37
    ]
    assert turns >= 4
