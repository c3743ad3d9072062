"""Webhooks in: who sent them, and whether they are new (Standard Webhooks; Shopify's own signature)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from shopkeeper.base.errors import ForbiddenError

__all__ = ["WINDOW", "verify_shopify", "verify_webhook"]

WINDOW = timedelta(minutes=5)
"""How far the time of a webhook may be from ours."""

_PREFIX = "whsec_"
_MOST_SIGNATURES = 20


def verify_webhook(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> str:
    """Checks a webhook by the Standard Webhooks specification.

    Args:
        headers: Its headers, in lower case: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
        body: Its body as it came, not a byte changed.
        secrets: The secrets of the source, `whsec_…`; two while one takes over from the other.
        now: The present instant.

    Returns:
        Its id: the same when it is sent again.

    Raises:
        ForbiddenError: A header is missing, the time is beyond the window, or no signature is right.
    """
    webhook_id, stamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not webhook_id or not stamp or not given:
        raise _refused("has no webhook-id, webhook-timestamp or webhook-signature")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 11:  # noqa: PLR2004 - seconds for 3,000 years
        raise _refused("has no time")
    if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > WINDOW:
        raise _refused("is too old, or from the future")
    signed = f"{webhook_id}.{stamp}.".encode() + body
    expected = [hmac.digest(_secret(secret), signed, "sha256") for secret in secrets]
    if not _any_equal(expected, _signatures(given)):
        raise _refused("is not signed by this source")
    return webhook_id


def verify_shopify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> str:
    """Checks a webhook of Shopify by its own signature, which has no time: replays are told by the id alone.

    Args:
        headers: Its headers, in lower case: `x-shopify-hmac-sha256`, `x-shopify-webhook-id`.
        body: Its body as it came.
        secrets: The secrets of the app.

    Returns:
        Its id.

    Raises:
        ForbiddenError: A header is missing, or the signature is wrong.
    """
    webhook_id, given = headers.get("x-shopify-webhook-id", ""), headers.get("x-shopify-hmac-sha256", "")
    if not webhook_id or not given:
        raise _refused("has no x-shopify-webhook-id or x-shopify-hmac-sha256")
    expected = [hmac.digest(secret.encode(), body, hashlib.sha256) for secret in secrets]
    if not _any_equal(expected, [_decoded(given)]):
        raise _refused("is not signed by this source")
    return webhook_id


def _any_equal(expected: Sequence[bytes], given: Sequence[bytes]) -> bool:
    """Compares all with all, so that the time taken does not tell which one was nearly right."""
    found = False
    for one in expected:
        for other in given:
            found |= hmac.compare_digest(one, other)
    return found


def _signatures(header: str) -> list[bytes]:
    parts = (part.partition(",") for part in header.split()[:_MOST_SIGNATURES])
    return [_decoded(value) for version, _, value in parts if version == "v1"]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _secret(secret: str) -> bytes:
    return _decoded(secret.removeprefix(_PREFIX)) or secret.encode()


def _refused(what: str) -> ForbiddenError:
    return ForbiddenError(
        f"the webhook {what}", next_step="check the secret of the source and the clocks of both sides"
    )
