"""Which keys of an event hold what is personal, by where they stand."""

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "CONTEXT",
    "DEVICE",
    "EXTERNAL",
    "PERSON",
    "PROPERTIES",
    "THING",
    "TRAITS",
    "Keys",
    "Rule",
    "Treat",
    "is_odd",
]

_REMEMBERED = 4096
_FEW_DIGITS = 7


class Treat(Enum):
    """What is done with a value besides the scan."""

    TOKEN = "token"  # noqa: S105 - a treatment, not a secret
    CUT_ADDRESS = "cut_address"
    THING = "thing"
    PERSON = "person"
    TRAITS = "traits"
    DEVICE = "device"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with the value of a key.

    Args:
        treat: The treatment: a token of `kind`; an IP address cut short; the number of a thing, so that bare digits are
            no phone; or an object whose own keys are those of a person, of traits, of a device, of external ids.
        kind: The kind of the token.
        links: Whether it is an identifier of the event's person.
    """

    treat: Treat
    kind: str = ""
    links: bool = False


class Keys:
    """The keys of one sort of object, however they are spelled: `phoneNumber`, `phone_number`, `Phone-Number`.

    Args:
        rules: Rule by squeezed name.
    """

    def __init__(self, rules: dict[str, Rule]) -> None:
        self._rules = rules
        self._known: dict[str, Rule | None] = {}
        self.get = self._known.get

    def rule(self, key: str) -> Rule | None:
        """Gives the rule of a key, if it has one."""
        known = self._known
        if key in known:
            return known[key]
        found = self._rules.get(_squeezed(key))
        if len(known) < _REMEMBERED and not is_odd(key):
            known[key] = found
        return found

    def without_links(self) -> "Keys":
        """Gives the same keys for somebody who is not the event's person, such as who receives a parcel."""
        return Keys({name: Rule(rule.treat, rule.kind) if rule.links else rule for name, rule in self._rules.items()})


def is_odd(key: str) -> bool:
    """Whether a key may hold a phone or an e-mail itself."""
    return "@" in key or "＠" in key or "%40" in key or sum(sign.isdigit() for sign in key) >= _FEW_DIGITS


def _squeezed(key: str) -> str:
    return key.lower().translate(_BETWEEN)


_BETWEEN = str.maketrans("", "", "_- .$")

_PHONE = (
    "phone mobile mobilephone telephone tel phonenumber cellphone cell mobilenumber mobileno phoneno telno msisdn"
    " whatsapp 手机 手机号 手机号码 电话 电话号码 联系电话"
)
_EMAIL = "email mail emailaddress useremail customeremail 邮箱 电子邮箱 电子邮件"
_MEMBER = (
    "memberno memberid membernumber membercode membercard membercardno vipno vipcard loyaltycard loyaltyid"
    " 会员号 会员卡号"
)
_CARD = "cardno cardnumber bankcard bankcardno creditcard creditcardnumber paymenttoken cardtoken pan 银行卡号 卡号"
_DEVICE = (
    "deviceid idfa idfv gaid aaid oaid imei androidid advertisingid adtrackingid mac macaddress deviceuuid udid bssid"
)
_NAME = (
    "firstname lastname fullname middlename realname nickname username customername contactname receivername consignee"
    " recipientname buyername membername personname displayname surname givenname familyname 姓名 真实姓名"
    " 收货人 昵称 联系人"
)
_ADDRESS = (
    "address addr street streetaddress address1 address2 addressline addressline1 addressline2 homeaddress"
    " shippingaddressline"
    " receiveraddress deliveryaddress postalcode postcode zip zipcode 地址 收货地址 详细地址 家庭住址"
)
_IDENTITY = "idcard idcardno idnumber identitycard identityno ssn passport passportno nationalid 身份证 身份证号 证件号"
_OTHERS_PHONE = (
    "receiverphone receivermobile consigneephone recipientphone contactphone shippingphone virtualphone"
    " virtualnumber privacyphone"
)
_OTHERS_EMAIL = "recipientemail contactemail receiveremail"
_THINGS = (
    "orderid orderno ordernumber ordersn orderref sku skuid spuid productid itemid variantid goodsid barcode"
    " ean upc gtin"
    " code cartid checkoutid storeid shopid couponid coupon couponcode couponno offerid campaignid promotionid"
    " lotid lotno"
    " batchno receiptid receiptno ticketid tradeno outtradeno transactionid transactionno paymentid"
    " trackingnumber trackingno"
    " waybillno logisticsno listid shelfid registerid refundid returnof reviewid surveyid wishlistid serialno"
    " traceid requestid"
    " timestamp time ts createdat updatedat orderedat paidat sentat price value total revenue amount subtotal"
    " quantity points"
    " balance 订单号 商品编码 条码"
)


def _rules(words: str, kind: str, *, links: bool = False) -> dict[str, Rule]:
    return {word: Rule(Treat.TOKEN, kind, links) for word in words.split()}


THING = Rule(Treat.THING)
"""The rule of all keys that name a thing."""

_EVERYWHERE = {
    **dict.fromkeys(_THINGS.split(), THING),
    **_rules(_PHONE, "phone", links=True),
    **_rules(_EMAIL, "email", links=True),
    **_rules(_MEMBER, "member_no", links=True),
    **_rules("openid wxopenid wechatopenid", "openid", links=True),
    **_rules("unionid wxunionid wechatunionid", "unionid", links=True),
    **_rules(_DEVICE, "device", links=True),
    **_rules(_CARD, "card", links=True),
    **_rules(_NAME, "name"),
    **_rules(_ADDRESS, "address"),
    **_rules(_IDENTITY, "text"),
    **_rules(_OTHERS_PHONE, "phone"),
    **_rules(_OTHERS_EMAIL, "email"),
    **_rules("recipient", "text"),
    **_rules("userid customerid uid loginid distinctid", "user"),
    **_rules("anonymousid clientid cookieid", "cookie"),
    **{word: Rule(Treat.CUT_ADDRESS) for word in ["ip", "ipaddress", "clientip", "remoteaddr", "remoteip", "userip"]},
    **{
        word: Rule(Treat.PERSON)
        for word in ["receiver", "shippingaddress", "billingaddress", "shipto", "billto", "contact"]
    },
    **{word: Rule(Treat.TRAITS) for word in ["traits", "customer", "buyer", "user", "member", "person"]},
    "device": Rule(Treat.DEVICE),
    "externalids": Rule(Treat.EXTERNAL),
}

# In properties `name`, `cell`, `card` and `mail` are things as often as people.
_AMBIGUOUS = ("cell", "mail", "tel", "pan", "zip", "mac")

PROPERTIES = Keys({word: rule for word, rule in _EVERYWHERE.items() if word not in _AMBIGUOUS})
"""The keys of properties and of whatever is nested in them."""

CONTEXT = Keys({word: rule for word, rule in _EVERYWHERE.items() if word not in _AMBIGUOUS})
"""The keys of the context."""

TRAITS = Keys(
    {
        **_EVERYWHERE,
        **_rules("name lastname 名字", "name"),
        **_rules("card", "card", links=True),
        **_rules("device", "device", links=True),
        **_rules("cookie cookieid", "cookie"),
    }
)
"""The keys of traits."""

PERSON = TRAITS.without_links()
"""The keys of somebody else, such as a receiver: tokens, but none of the event's person."""

DEVICE = Keys(
    {
        **{word: rule for word, rule in _EVERYWHERE.items() if word not in _AMBIGUOUS},
        **_rules("id advertisingid adtrackingid idfa idfv", "device", links=True),
        **_rules("name", "name"),
        **_rules("token", "text"),
    }
)
"""The keys of `context.device`; people name their devices after themselves."""

EXTERNAL = Keys({**_EVERYWHERE, **_rules("id", "user")})
"""The keys of `context.externalIds`."""
