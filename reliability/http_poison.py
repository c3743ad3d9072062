"""Poison over HTTP: at every place of good batches, and as whole requests; each good event beside it is kept."""

import random
from collections.abc import Callable

import msgspec

from reliability.http_door import HttpDoor, message_of
from reliability.ledger import Ledger, batch_of
from reliability.poison import Poisoned

__all__ = ["poisoned_over_http"]

_FAILED = 500


def poisoned_over_http(door: HttpDoor, *, pieces: int, seed: int, name: str = "p") -> Poisoned:
    """Sends batches with a piece of poison among the good, and requests that are nothing but poison.

    Args:
        door: The way in.
        pieces: How many pieces.
        seed: Of the poison.
        name: What the ids of the good begin with.

    Returns:
        The verdict; unanswered are requests that got no answer or one of 500 and above, and good events beside poison
        that were not kept.
    """
    chance, ledger, bad = random.Random(seed), Ledger(), 0
    door.start()
    for number in range(pieces):
        good = batch_of(f"{name}.{number}", 3)
        ledger.sends(good)
        messages: list[bytes] = [msgspec.json.encode(message_of(each.message_id)) for each in good.entries]
        place = number % (len(messages) + 1)
        messages.insert(place, _poison(chance))
        answer = door.post(raw=b'{"batch": [' + b",".join(messages) + b"]}")
        if answer is not None and answer.status_code == 200:
            told = answer.json()["results"]
            kept = [each["status"] for spot, each in enumerate(told) if spot != place]
            if kept == ["accepted"] * 3:
                ledger.answered(good)
        elif answer is None or answer.status_code >= _FAILED or not door.send(good):
            bad += 1
        else:
            ledger.answered(good)  # the whole was no JSON: nothing of it was kept, and sent again it is
        whole = door.post(raw=_garbage(chance))
        bad += whole is None or whole.status_code >= _FAILED
    unanswered = len(ledger.unanswered) + bad
    door.stop()
    return Poisoned(ledger.verdict(door.file, name), pieces, unanswered)


def _poison(chance: random.Random) -> bytes:
    wrong = chance.choice((b"7", b"null", b"[]", b'""', b"1e999", b"-0", b'{"a":{"a":{"a":{}}}}', b'"\\ud800"'))
    field = chance.choice(("type", "event", "userId", "messageId", "properties", "traits", "context", "timestamp"))
    made: list[Callable[[], bytes]] = [
        lambda: wrong,
        lambda: msgspec.json.encode({**message_of("never"), field: 0})[:-2] + wrong + b"}",
        lambda: b'{"type": "track", "event": "E", "userId": "u", "properties": ' + b'{"a":' * 200 + b"1" + b"}" * 201,
        lambda: msgspec.json.encode(message_of("never", width=40_000)),
        lambda: b'{"type": "track", "event": "\\ud800", "userId": "\\udfff"}',
        lambda: b'{"type": "identify", "userId": "u", "traits": {"phone": ' + wrong + b"}}",
        lambda: (
            b'{"type": "track", "event": "Order Completed", "userId": "u", "properties": {"products": ' + wrong + b"}}"
        ),
        lambda: b'{"type": "track", "event": "E", "userId": "u", "timestamp": "9999-99-99", "n": 1' + b"0" * 400 + b"}",
        lambda: bytes(chance.randint(32, 126) for _ in range(chance.randint(1, 60))),
    ]
    return chance.choice(made)()


def _garbage(chance: random.Random) -> bytes:
    made: list[Callable[[], bytes]] = [
        lambda: chance.randbytes(chance.randint(1, 4_000)),
        lambda: b"[" * chance.randint(1, 100_000),
        lambda: b'{"batch":' * 2_000,
        lambda: b"\x1f\x8b" + chance.randbytes(200),
        lambda: b'{"batch": [' + b"1," * 3_000 + b"1]}",
        lambda: b"x" * 600_000,
        lambda: b'{"batch": "\\ud800"}',
    ]
    return chance.choice(made)()
