import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from shopkeeper.base.errors import ForbiddenError
from shopkeeper.collect.webhook import WINDOW, verify_shopify, verify_webhook

NOW = datetime(2024, 6, 1, 4, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def signed(body: bytes = BODY, *, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_the_example_of_the_specification_is_right() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    assert verify_webhook(headers, BODY, [SECRET], at) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_one_of_several_signatures_and_of_several_secrets_is_enough() -> None:
    other = "whsec_" + base64.b64encode(b"another secret of the source").decode()
    headers = signed()
    headers["webhook-signature"] = f"v1a,xyz v1,AAAA {headers['webhook-signature']}"
    assert verify_webhook(headers, BODY, [other, SECRET], NOW) == "msg_1"
    assert verify_webhook(signed(secret=other), BODY, [SECRET, other], NOW) == "msg_1"


@pytest.mark.parametrize("off", [-WINDOW - timedelta(seconds=1), WINDOW + timedelta(seconds=1)])
def test_old_and_future_webhooks_are_refused(off: timedelta) -> None:
    with pytest.raises(ForbiddenError, match="too old"):
        verify_webhook(signed(at=NOW + off), BODY, [SECRET], NOW)
    assert verify_webhook(signed(at=NOW + off * 0.9), BODY, [SECRET], NOW) == "msg_1"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-timestamp": "9" * 12},
        {"webhook-timestamp": "-5"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v2," + signed()["webhook-signature"][3:]},
    ],
)
def test_what_is_altered_is_refused(change: dict[str, str]) -> None:
    assert verify_webhook(signed(), BODY, [SECRET], NOW) == "msg_1"
    with pytest.raises(ForbiddenError):
        verify_webhook(signed() | change, BODY, [SECRET], NOW)


def test_another_body_or_secret_is_refused() -> None:
    with pytest.raises(ForbiddenError):
        verify_webhook(signed(), BODY + b" ", [SECRET], NOW)
    with pytest.raises(ForbiddenError):
        verify_webhook(signed(), BODY, [], NOW)
    with pytest.raises(ForbiddenError):
        verify_webhook(signed(), BODY, ["whsec_" + base64.b64encode(b"x" * 24).decode()], NOW)


def test_shopify_signs_in_its_own_way() -> None:
    digest = base64.b64encode(hmac.new(b"hush", BODY, hashlib.sha256).digest()).decode()
    headers = {"x-shopify-webhook-id": "w1", "x-shopify-hmac-sha256": digest}
    assert verify_shopify(headers, BODY, ["old", "hush"]) == "w1"
    for wrong in ({"x-shopify-webhook-id": ""}, {"x-shopify-hmac-sha256": "AAAA"}):
        with pytest.raises(ForbiddenError):
            verify_shopify(headers | wrong, BODY, ["hush"])
    with pytest.raises(ForbiddenError):
        verify_shopify(headers, BODY + b" ", ["hush"])
