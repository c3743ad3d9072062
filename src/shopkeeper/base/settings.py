"""The settings: one table of name, type, default and a sentence, read from environment over file over default.

The table feeds the commented `shopkeeper.toml`, the environment, the validation and the docs.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shopkeeper.base.errors import Fault, SettingsError

__all__ = [
    "ChainSettings",
    "EngineSettings",
    "LifecycleSettings",
    "LogSettings",
    "MqttSettings",
    "ProfileSettings",
    "RfmSettings",
    "ScheduleSettings",
    "Setting",
    "Settings",
    "StorageSettings",
    "WebSettings",
    "commented_toml",
    "fault_of",
    "read_settings",
    "settings_table",
]

FILE_NAME = "shopkeeper.toml"
ENVIRONMENT_PREFIX = "SHOPKEEPER_"
_SECRET = ("storage.catalog_options", "storage.catalog_url", "storage.state_url", "schedule.loads")

_WHOLE, _NUMBER = ("is not a whole number", "不是整数"), ("is not a number", "不是数字")
_NUMBERS = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "greater_than": ("must be more than {gt:.15g}", "应大于 {gt:.15g}"),
    "greater_than_equal": ("must be at least {ge:.15g}", "应不小于 {ge:.15g}"),
    "less_than": ("must be less than {lt:.15g}", "应小于 {lt:.15g}"),
    "less_than_equal": ("must be at most {le:.15g}", "应不大于 {le:.15g}"),
    "int_parsing_size": ("is too large", "太大"),
    "not_rising": ("must rise and not be negative", "应逐个递增且不为负"),
}
"""Pydantic's kinds of faults that numbers can have, said in both languages."""
_CENTURY = 36_500


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        near = difflib.get_close_matches(name, available_timezones(), 1)
        raise ValueError(f"'{name}' is no time zone" + (f"; did you mean {near[0]}?" if near else ""))
    return name


def _clock_time(text: str) -> str:
    hour, _, minute = text.partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):  # noqa: PLR2004 - a clock
        raise ValueError(f"'{text}' is no time of day; write HH:MM")
    return text


def _ascending(days: tuple[int, ...]) -> tuple[int, ...]:
    if any(first >= second for first, second in pairwise(days)) or min(days) < 0:
        raise PydanticCustomError("not_rising", "must rise and not be negative")
    return days


def _options(given: tuple[str, ...]) -> tuple[str, ...]:
    for place, option in enumerate(given):
        if not option.partition("=")[1]:
            raise ValueError(f"entry {place + 1} must be name=value")
    return given


TimeZone = Annotated[str, AfterValidator(_time_zone)]
TimeOfDay = Annotated[str, AfterValidator(_clock_time)]
Rising = Annotated[tuple[int, ...], AfterValidator(_ascending)]
Options = Annotated[tuple[str, ...], AfterValidator(_options)]
Amount = Annotated[int, Field(le=10**12)]
FourCuts = Annotated[tuple[Amount, Amount, Amount, Amount], AfterValidator(_ascending)]
Days = Annotated[int, Field(le=_CENTURY)]
FourDays = Annotated[tuple[Days, Days, Days, Days], AfterValidator(_ascending)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChainSettings(_Section):
    """The chain this shop folder is of."""

    name: str = Field("My chain", description="Name of the chain, shown on every page.")
    currency: str = Field("CNY", description="Currency of all money, ISO 4217.", pattern="^[A-Z]{3}$")
    time_zone: TimeZone = Field("Asia/Shanghai", description="Time zone of the stores: what a day and an hour are.")
    country: str = Field("CN", description="Country for phone numbers and holidays, ISO 3166.", pattern="^[A-Z]{2}$")
    language: Literal["en", "zh"] = Field("en", description="Language of reports and of the console until chosen.")
    cutover_hour: int = Field(
        0, ge=0, le=12, description="Hour at which the business day changes, unless a store says."
    )
    sample: str = Field("", description="Name of the sample this shop was made from; empty for own data.")


class StorageSettings(_Section):
    """Where things are kept; empty means in the shop folder."""

    catalog_url: str = Field(
        "",
        description="Iceberg catalog: empty for SQLite in the lake, postgresql://, https:// (REST), thrift://, glue://.",
    )
    catalog_options: Options = Field((), description="What a REST, Hive or Glue catalog needs, each name=value.")
    state_url: str = Field("", description="State store: empty for SQLite, or postgresql+psycopg://user@host/name.")
    keep_days: int = Field(7, ge=0, description="Days for which older states of tables are kept before they expire.")


class EngineSettings(_Section):
    """What computes."""

    kind: Literal["duckdb", "spark"] = Field("duckdb", description="Engine that runs the steps.")
    memory_limit: str = Field(
        "4GB", description="Memory the engine may take.", pattern=r"^\d+(\.\d+)?\s*(MB|GB|TB|MiB|GiB|TiB)$"
    )
    threads: int = Field(0, ge=0, description="Threads the engine may use; 0 for all cores.")
    spill: str = Field("", description="Folder for what does not fit into memory; empty for `spill` in the shop.")
    spark_master: str = Field("local[2]", description="Master of Spark, such as local[2] or spark://host:7077.")


class ProfileSettings(_Section):
    """What traits leave out and look at."""

    left_out_kinds: tuple[str, ...] = Field(
        ("tobacco", "service", "top_up", "bag", "deposit", "gift_card"),
        description="Kinds of products that RFM, favourites, baskets and price tier leave out.",
    )


class LifecycleSettings(_Section):
    """Cut-points of the lifecycle until the console or `shopkeeper cuts` sets others; what is computed says which."""

    new_days: int = Field(30, ge=1, le=_CENTURY, description="A person is new for so many days after the first visit.")
    sleeping_gaps: float = Field(
        3.0, gt=0, le=1_000, allow_inf_nan=False, description="More own rhythms than this without a visit is sleeping."
    )
    lapsed_gaps: float = Field(
        6.0, gt=0, le=1_000, allow_inf_nan=False, description="More own rhythms than this without a visit is lapsed."
    )
    shortest: float = Field(
        7.0,
        gt=0,
        le=_CENTURY,
        allow_inf_nan=False,
        description="The shortest rhythm taken for a person's own, in days.",
    )
    longest: float = Field(
        120.0,
        gt=0,
        le=_CENTURY,
        allow_inf_nan=False,
        description="The longest rhythm taken for a person's own, in days.",
    )
    usual: float = Field(
        30.0, gt=0, le=_CENTURY, allow_inf_nan=False, description="The rhythm of people who have none yet, in days."
    )
    sleeping_days: int = Field(
        90, ge=1, le=_CENTURY, description="More days without a visit is sleeping, by fixed days."
    )
    lapsed_days: int = Field(180, ge=2, le=_CENTURY, description="More days without a visit is lapsed, by fixed days.")
    trend_factor: float = Field(
        1.25, ge=1, le=1_000, allow_inf_nan=False, description="How many times the 90 days before make a rising trend."
    )


class RfmSettings(_Section):
    """Cut-points of RFM until the console or `shopkeeper cuts` sets others; what is computed says which."""

    recency_cuts: FourDays = Field((7, 30, 60, 120), description="Days since the last purchase, at most: 5 to 2.")
    frequency_cuts: FourCuts = Field((3, 6, 12, 24), description="At least so many orders in 365 days: 2 to 5 points.")
    monetary_cuts: FourCuts = Field((100, 500, 1000, 2000), description="At least so much in 365 days: 2 to 5 points.")


class EngageSettings(_Section):
    """How marketing is held to account."""

    global_holdout: float = Field(0.05, ge=0, le=0.5, description="Share of people no marketing ever reaches.")
    campaign_holdout: float = Field(0.10, ge=0, le=0.5, description="Share of each campaign's people held out.")
    margin: float = Field(0.25, gt=0, lt=1, description="Gross margin assumed where unit costs are not known.")


class LoadJob(_Section):
    """One load that the worker does by itself."""

    table: str = Field(description="Table to load into.")
    files: str = Field(description="Path, pattern or database URL.")
    source: str = Field("file", description="Source system's name.")
    mapping: str = Field("", description="Mapping file; empty for the saved or proposed one.")
    query: str = Field("", description="Query, if it is a database.")
    since: str = Field("", description="Column whose highest value is kept as a watermark.")


class ScheduleSettings(_Section):
    """What the worker that `serve` starts does by itself; times are the stores'."""

    enabled: bool = Field(default=True, description="Whether the worker works by itself.")
    run_at: TimeOfDay = Field("04:30", description="When the steps are refreshed.")
    report_at: TimeOfDay = Field("07:00", description="When the morning report is made.")
    load_every_minutes: int = Field(60, ge=1, description="How often the loads below are tried.")
    compact_at: TimeOfDay = Field("03:00", description="When small files are compacted and old states expire.")
    retries: int = Field(3, ge=0, description="How often a failed job is tried again, each time later.")
    loads: tuple[LoadJob, ...] = Field((), description="Loads: [[schedule.loads]] with table, files, source, mapping.")


class CollectSettings(_Section):
    """Taking events in."""

    events_per_second: int = Field(
        5_000,
        ge=1,
        le=10**9,
        description="Events a write key may bring a second and process; ten times so many at once.",
    )
    load_seconds: float = Field(
        30.0, gt=0, le=3_600, description="The loader takes the log into the lake so often, or at 50,000 events."
    )
    log_days: int = Field(
        90,
        ge=1,
        le=_CENTURY,
        description="The log keeps events so long once everything made of it holds them.",
    )


class MqttSettings(_Section):
    """Signals of devices from a broker (MQTT 5), as an extra."""

    url: str = Field(
        "",
        description="Broker: mqtt://host:1883 or mqtts://host:8883; empty for none.",
        pattern=r"^(mqtts?://[^/@\s]+)?$",
    )
    topics: tuple[str, ...] = Field(
        ("shopkeeper/{store_id}/{device_id}/{kind}",),
        min_length=1,
        description="Topics; what stands in braces is taken from the topic where the payload does not say it.",
    )
    source: str = Field("mqtt", min_length=1, description="The source of the events that signals become.")
    client_id: str = Field("shopkeeper", min_length=1, description="What the broker keeps our session under.")
    username: str = Field("", description="Name for the broker, if it asks for one.")
    password_file: str = Field("", description="File with the password; SHOPKEEPER_MQTT_PASSWORD wins over it.")
    ca_file: str = Field("", description="Certificates that the broker's is checked against; the system's by default.")
    session_days: int = Field(
        7, ge=1, le=365, description="The broker is asked to keep what comes while we are away for so many days."
    )


class WebSettings(_Section):
    """The console."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8350, ge=0, le=65535, description="Port to listen on.")
    secure_cookies: bool = Field(default=False, description="Say true behind HTTPS: cookies then go over HTTPS only.")
    session_idle_minutes: int = Field(120, ge=5, description="A session ends after so long without a request.")
    session_hours: int = Field(12, ge=1, description="A session ends after so long in any case.")
    smallest_count: int = Field(
        10,
        ge=2,
        description="Who may not see persons gets no smaller count of people; larger ones are rounded to it.",
    )
    counts_a_day: int = Field(
        200, ge=1, description="How many different audiences who may not see persons can count in 24 hours."
    )
    hooks_to_loopback: bool = Field(
        default=False, description="Say true in tests only: web hooks may then go to this machine, without HTTPS."
    )


class PrivacySettings(_Section):
    """What the law asks for the persons a shop knows."""

    request_days: int = Field(
        15, ge=1, description="Days within which a request for access, correction or erasure must be done."
    )
    keep_refused_days: int = Field(0, ge=0, description="Refused rows are kept whole for so many days; 0 for ever.")
    keep_event_days: int = Field(0, ge=0, description="Events are kept in lake and log for so many days; 0 for ever.")


class LogSettings(_Section):
    """The log on standard error."""

    format: Literal["people", "json"] = Field("people", description="Lines for people or JSON for machines.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is written.")


class _Environment(EnvSettingsSource):
    """Leaves a value that is no JSON as it is, so that the validation names it together with all other faults."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class Settings(BaseSettings):
    """All settings of a shop, frozen after reading."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    chain: ChainSettings = ChainSettings()
    storage: StorageSettings = StorageSettings()
    engine: EngineSettings = EngineSettings()
    profile: ProfileSettings = ProfileSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    rfm: RfmSettings = RfmSettings()
    engage: EngageSettings = EngageSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    collect: CollectSettings = CollectSettings()
    mqtt: MqttSettings = MqttSettings()
    web: WebSettings = WebSettings()
    privacy: PrivacySettings = PrivacySettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file; the file's values come in as the constructor's."""
        return _Environment(settings_cls), init_settings


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    name: str
    type: str
    default: Any
    sentence: str
    environment: str


def settings_table() -> Iterator[Setting]:
    """Gives every setting in the order of the file."""
    for section, kind in _sections():
        for name, info in kind.model_fields.items():
            yield Setting(
                f"{section}.{name}",
                _type_name(info.annotation),
                info.default,
                info.description or "",
                f"{ENVIRONMENT_PREFIX}{section.upper()}__{name.upper()}",
            )


def commented_toml(values: Mapping[str, Any] | None = None) -> str:
    """Gives the text of a `shopkeeper.toml`: every key commented, but for those with a value.

    Args:
        values: Values by dotted name, such as `{"chain.name": "Corner"}`.
    """
    given = dict(values or {})
    lines = [
        "# Settings of this shop. A key that stays commented has the value shown.",
        f"# The environment wins over this file: {ENVIRONMENT_PREFIX}ENGINE__MEMORY_LIMIT=8GB and so on.",
    ]
    section = ""
    for setting in settings_table():
        head, _, name = setting.name.partition(".")
        if head != section:
            section = head
            lines += ["", f"[{section}]  # {_section_sentence(section)}"]
        value = given.pop(setting.name, None)
        lines.append(f"# {setting.sentence}")
        shown = f"{name} = {_toml(setting.default if value is None else value)}"
        lines.append(shown if value is not None else f"# {shown}")
    if given:
        raise SettingsError("the settings", [Fault(name, "is no setting") for name in given])
    return "\n".join(lines) + "\n"


def read_settings(folder: Path) -> Settings:
    """Reads the settings of a shop folder: environment over file over default.

    Raises:
        SettingsError: Anything in them is wrong; every fault is named with its path.
    """
    file = folder / FILE_NAME
    values: dict[str, Any] = {}
    if file.exists():
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise SettingsError("the settings file", [Fault("toml", str(error))], place=str(file)) from error
    faults = list(_unknown_in(os.environ))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        faults += [fault_of(detail) for detail in error.errors()]
    if faults:
        raise SettingsError(
            "the settings", faults, place=f"{file} and {ENVIRONMENT_PREFIX}*", next_step="mend them and try again"
        )
    return settings


def _unknown_in(environment: Iterable[str]) -> Iterator[Fault]:
    """Names that were meant as settings and are none: the section is misspelt, or an underscore is missing."""
    known = {setting.environment for setting in settings_table()}
    single = {name.replace("__", "_"): name for name in known}
    heads = tuple(f"{ENVIRONMENT_PREFIX}{section.upper()}__" for section, _ in _sections())
    for given in sorted(environment):
        name = given.upper()
        if not name.startswith(ENVIRONMENT_PREFIX) or name.startswith(heads):
            continue
        near = single.get(name) or next(iter(difflib.get_close_matches(name, known, 1)), None)
        if name in single or "__" in name:
            yield Fault(given, "is no setting" + (f"; did you mean {near}?" if near else ""))


def fault_of(detail: Mapping[str, Any]) -> Fault:
    """What pydantic found wrong, at the dotted name of the setting; of numbers in Chinese too, as forms have them."""
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path, [setting.name for setting in settings_table()], 1)
        return Fault(path, "is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    message = str(detail["msg"]).removeprefix("Value error, ")
    if path.startswith(_SECRET) or any(secret.startswith(f"{path}.") for secret in _SECRET):
        return Fault(path, message)
    given, chinese = repr(detail["input"]), None
    if detail["type"] in _NUMBERS:
        message, chinese = (text.format(**detail.get("ctx", {})) for text in _NUMBERS[detail["type"]])
        chinese = f"{chinese}（填写的是 {given}）"
    return Fault(path, f"{message} (given: {given})", chinese)


def _sections() -> list[tuple[str, type[BaseModel]]]:
    return [(name, type(info.default)) for name, info in Settings.model_fields.items()]


def _section_sentence(section: str) -> str:
    return (dict(_sections())[section].__doc__ or "").strip().partition("\n")[0]


def _type_name(annotation: Any) -> str:
    if getattr(annotation, "__origin__", None) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    return str(getattr(annotation, "__name__", annotation)).replace("typing.", "")


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
