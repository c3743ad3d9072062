"""Webhooks in: which source one belongs to, whether it is signed by it, and the messages it brings."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import DataError
from shopkeeper.collect.order_webhook import WebhookMapping, mapped_message, shopify_message
from shopkeeper.collect.webhook import verify_shopify, verify_webhook

__all__ = ["hook_messages", "hook_secret"]


def hook_secret(shop: Shop, key_id: str) -> str:
    """The secret that webhooks of a key are signed with, in the form of Standard Webhooks.

    It follows from the shop's token key and the key's id, so that it is kept nowhere; a new key has another.
    """
    content = key_id.encode()
    secret = shop.tokens.digest("webhook 1", content) + shop.tokens.digest("webhook 2", content)
    return f"whsec_{base64.b64encode(secret).decode()}"


def hook_messages(
    shop: Shop, key_id: str, source: str, headers: Mapping[str, str], raw: bytes, *, now: datetime
) -> list[Any]:
    """Gives the messages of a webhook: those of the Segment API as they are, an order by Shopify's form or a mapping.

    Args:
        shop: The shop; `keys/webhook-SOURCE.secret` holds secrets that the source chose, one a line, and
            `webhooks/SOURCE.toml` says where in its payload things stand.
        key_id: The key whose address was called.
        source: The key's source.
        headers: The headers, in lower case.
        raw: The body as it came.
        now: The present instant.

    Raises:
        ForbiddenError: It is not signed by the source, or too old.
        DataError: The body is no JSON.
        FaultsError: The mapping is wrong.
    """
    chosen = _chosen_secrets(shop, source)
    is_shopify = "x-shopify-hmac-sha256" in headers
    if is_shopify:
        hook_id = verify_shopify(headers, raw, chosen)
    else:
        hook_id = verify_webhook(headers, raw, [hook_secret(shop, key_id), *chosen], now)
    try:
        payload = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise DataError("the body of the webhook is no JSON", next_step="look at what the source sends") from None
    if is_shopify:
        return [_numbered(shopify_message(headers.get("x-shopify-topic", ""), payload), hook_id)]
    mapping = shop.folder / "webhooks" / f"{source}.toml"
    if mapping.is_file():
        told = WebhookMapping.from_toml(mapping.read_text(encoding="utf-8"), str(mapping))
        return [_numbered(mapped_message(payload, told), hook_id)]
    if isinstance(payload, dict) and isinstance(payload.get("batch"), list):
        return list(payload["batch"])
    return [_numbered(payload, hook_id)]


def _numbered(message: Any, hook_id: str) -> Any:
    """A webhook that is sent again has the same id, and so has its message."""
    if isinstance(message, dict) and not message.get("messageId"):
        return message | {"messageId": f"hook {hook_id}"}
    return message


def _chosen_secrets(shop: Shop, source: str) -> list[str]:
    file = shop.folder / "keys" / f"webhook-{source}.secret"
    if "/" in source or not file.is_file():
        return []
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
