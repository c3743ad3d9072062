"""Consent (同意): the purposes and channels a person may agree to, declared once, and what each needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from shopkeeper.base.errors import UsageError

__all__ = [
    "CHANNELS", "PURPOSES", "SAMPLE_SOURCE", "MessageClass", "Purpose", "ReachChannel", "check_consent",
    "consent_fault",
]  # fmt: skip

SAMPLE_SOURCE = "sample"
"""The source of consents that a sample made up; pages say "sample data" where they are shown."""


class MessageClass(StrEnum):
    """What a message is: service and entitlement are never withheld for want of consent, marketing needs it."""

    SERVICE = "service"
    ENTITLEMENT = "entitlement"
    MARKETING = "marketing"

    @property
    def needs_consent(self) -> bool:
        """Whether nothing goes out before the person said yes."""
        return self is MessageClass.MARKETING


@dataclass(frozen=True, slots=True)
class Purpose:
    """What personal data are used for.

    Args:
        name: Its name, as in the ledger.
        message_class: The class of its messages.
        label_english: What it is called.
        label_chinese: The same in Chinese.
    """

    name: str
    message_class: MessageClass
    label_english: str
    label_chinese: str


@dataclass(frozen=True, slots=True)
class ReachChannel:
    """A way to reach a person.

    Args:
        name: Its name, as in the ledger.
        identifier: The kind of identifier that is its address, as in `storage.token.KINDS`.
        label_english: What it is called.
        label_chinese: The same in Chinese.
    """

    name: str
    identifier: str
    label_english: str
    label_chinese: str


PURPOSES: Mapping[str, Purpose] = MappingProxyType(
    {
        each.name: each
        for each in (
            Purpose("service", MessageClass.SERVICE, "Service notices", "服务通知"),
            Purpose("entitlement", MessageClass.ENTITLEMENT, "Member entitlements", "会员权益"),
            Purpose("marketing", MessageClass.MARKETING, "Offers and news", "营销信息"),
            Purpose("research", MessageClass.MARKETING, "Surveys", "问卷调研"),
        )
    }
)
"""Every purpose by its name."""

CHANNELS: Mapping[str, ReachChannel] = MappingProxyType(
    {
        each.name: each
        for each in (
            ReachChannel("sms", "phone", "Text message", "短信"),
            ReachChannel("phone", "phone", "Phone call", "电话"),
            ReachChannel("email", "email", "E-mail", "电子邮件"),
            ReachChannel("wechat", "openid", "WeChat", "微信"),
            ReachChannel("push", "device", "App notification", "App 推送"),
        )
    }
)
"""Every channel by its name."""


def check_consent(purpose: str, channel: str) -> tuple[Purpose, ReachChannel]:
    """Gives a declared purpose and channel.

    Raises:
        UsageError: One of them is not declared.
    """
    for what, name, known in (("purpose", purpose, PURPOSES), ("channel", channel, CHANNELS)):
        if name not in known:
            raise UsageError(f"there is no {what} '{name[:60]}'", next_step=f"name one of {', '.join(known)}")
    return PURPOSES[purpose], CHANNELS[channel]


def consent_fault(
    purpose: str | None, channel: str | None, text_version: str | None, *, granted: bool
) -> tuple[str, str] | None:
    """Says what a change of consent lacks to be proof: the name of the field and a reason; None where it is whole.

    Giving needs the version of the text that was shown; withdrawing does not.
    """
    for name, said, known in (("purpose", purpose, PURPOSES), ("channel", channel, CHANNELS)):
        if said not in known:
            return name, "not_a_choice" if said else "missing"
    return ("text_version", "missing") if granted and not text_version else None
