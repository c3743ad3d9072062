"""What people hide or say in texts: mobile numbers in Chinese numerals or taken apart, and names behind a clear cue."""

import re
from collections.abc import Iterator

__all__ = ["digits_of", "may_be_apart", "may_be_spoken", "may_hold_a_cue", "spoken"]

_NUMERALS = dict(zip("〇零一幺二三四五六七八九壹贰叁肆伍陆柒捌玖", "001123456789123456789", strict=True))
_TO_DIGITS = str.maketrans(_NUMERALS)
_NUMERAL = "".join(_NUMERALS)
_FEWEST = 3  # numerals in a number: fewer are an ordinary word

_MOBILE = re.compile(r"(?:(?:\+|00)?86)?1[3-9][0-9]{9}")
_IN_NUMERALS = re.compile(
    rf"(?<![0-9{_NUMERAL}])(?:\+?86[ -]?)?[1一幺壹](?:[ -]?[0-9{_NUMERAL}]){{10}}(?![0-9{_NUMERAL}十百千万亿])"
)
# Signs that stand between the groups of a number and, once each, in nothing else of three, four and four digits.
_APART = re.compile(r"(?<![0-9])1[3-9][0-9]([/_·~*|])[0-9]{4}\1[0-9]{4}(?![0-9])")
_ONE_BY_ONE = re.compile(
    r"(?:电话|手机|号码|联系|致电|微信|tel|phone|mobile|call|ring|text)[^0-9\n]{0,12}"
    r"(?P<number>1(?:[ -]{1,2}[0-9]){10})(?![ -]{0,2}[0-9])",
    re.IGNORECASE,
)

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱林何郭罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭"
    "廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂焦柳邢岳齐"
)
_LONG_SURNAMES = "欧阳|司马|上官|诸葛|司徒|东方|独孤|夏侯|皇甫|尉迟|公孙|令狐|慕容|宇文"
_HAN = "一-龥"
_CALLED = re.compile(
    r"(?:我叫|我的名字(?:是|叫)|(?:姓名|名字|联系人|收货人|收件人)(?:[是为叫]|[ ]?:))[ ]?"
    rf"(?P<name>(?:(?:{_LONG_SURNAMES})|[{_SURNAMES}])[{_HAN}]{{1,2}})(?![{_HAN}])"
    r"|(?i:\bmy name is) (?P<latin>[A-Z][a-z]{1,20}(?:[ '-][A-Z][a-z]{1,20}){0,2})(?![A-Za-z])"
)
_CUES = ("我叫", "我的名字", "姓名", "名字", "联系人", "收货人", "收件人")
_CUE_BYTES = re.compile(b"|".join(cue.encode() for cue in _CUES))

_NUMERAL_BYTES = re.compile(b"(?:" + b"|".join(sign.encode() for sign in _NUMERALS) + b"){%d}" % _FEWEST)
_GROUPED = b"000x0000x0000"


def may_be_apart(bare: bytes) -> bool:
    """Whether digits taken apart may stand in a text whose digits are all 0 and whose other signs are all x."""
    return _GROUPED in bare


def may_be_spoken(wide: bytes) -> bool:
    """Whether Chinese numerals follow each other in what is not ASCII of a text in UTF-8."""
    return _NUMERAL_BYTES.search(wide) is not None


def may_hold_a_cue(content: bytes) -> bool:
    """Whether a name may be said in a text in UTF-8."""
    if b"name is " in content:
        return True
    return not content.isascii() and _CUE_BYTES.search(content) is not None


def spoken(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Finds numbers and names, each with what it is and where it stands.

    Args:
        text: A text in its normal form (NFKC), so that full-width signs are plain ones.
    """
    for found in _IN_NUMERALS.finditer(text):
        numerals = sum(sign in _NUMERALS for sign in found.group())
        if numerals >= _FEWEST and _MOBILE.fullmatch(digits_of(found.group()).lstrip("+")):
            yield "phone", found.span()
    for found in _APART.finditer(text):
        yield "phone", found.span()
    for found in _ONE_BY_ONE.finditer(text):
        if _MOBILE.fullmatch(digits_of(found["number"])):
            yield "phone", found.span("number")
    for found in _CALLED.finditer(text):
        yield "name", found.span("name" if found["name"] else "latin")


def digits_of(text: str) -> str:
    """Gives the digits of a number, however it is written, and the plus before them."""
    return "".join(sign for sign in text.translate(_TO_DIGITS) if sign in "0123456789+")
