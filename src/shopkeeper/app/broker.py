"""The broker that the settings name: whether the bridge to it can begin, and the password it is shown."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError, UnavailableError, UsageError
from shopkeeper.base.settings import MqttSettings
from shopkeeper.collect.topic import Topic

__all__ = ["PASSWORD", "check_bridge", "password_of"]

PASSWORD = "SHOPKEEPER_MQTT_PASSWORD"  # noqa: S105 - the name of a variable


def check_bridge(shop: Shop, environment: Mapping[str, str]) -> None:
    """Looks whether the bridge can begin.

    Raises:
        UsageError: The settings name no broker, or a topic is none.
        MissingError: The file with the password cannot be read.
        UnavailableError: The library is not installed.
    """
    said = shop.settings.mqtt
    if not said.url:
        raise UsageError("the settings name no broker", place="mqtt.url", next_step="set mqtt.url and mqtt.topics")
    for text in said.topics:
        Topic(text)
    password_of(said, environment)
    if find_spec("paho") is None:
        raise UnavailableError("the library for MQTT is not installed", next_step="pip install 'shopkeeper[mqtt]'")


def password_of(said: MqttSettings, environment: Mapping[str, str]) -> str | None:
    """Gives the password for the broker, None where there is none.

    Raises:
        MissingError: Its file cannot be read.
    """
    if PASSWORD in environment:
        return environment[PASSWORD]
    if not said.password_file:
        return None
    try:
        return Path(said.password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise MissingError(
            "the password of the broker cannot be read",
            place=said.password_file,
            next_step=f"set {PASSWORD} or mqtt.password_file",
        ) from error
