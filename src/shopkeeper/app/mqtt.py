"""The bridge from a broker (MQTT 5): signals go the way of all events, each acknowledged once it is durable."""

import asyncio
import os
import signal
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from shopkeeper.app.broker import password_of
from shopkeeper.app.collect import Reception, Sender, reception_of
from shopkeeper.app.heartbeat import Heartbeat
from shopkeeper.app.log import logger, noted
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.collect.topic import Topic, topic_messages

__all__ = ["Bridge", "run_bridge"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MOST_BYTES = 512 * 1024
_UNACKNOWLEDGED = 1_000
"""So many payloads the broker sends before it waits for an acknowledgement: they are what memory holds."""
_MOST_AT_ONCE = 2_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
_LONGEST_AWAY = 10
_KEEP_ALIVE = 30
_A_DAY = 86_400
_LOOKS_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class _Brought:
    """One payload, and on which connection it came: an acknowledgement is of use on no other."""

    topic: str
    payload: bytes
    number: int
    qos: int
    connection: int


class Bridge:
    """Brings what a broker has into the log of one shop, inside one event loop.

    Args:
        shop: The shop.
        reception: Takes the events.
        environment: Where the password may stand.

    Raises:
        UsageError: A topic of the settings is none.
        MissingError: The file with the password is not there.
    """

    def __init__(self, shop: Shop, reception: Reception, environment: Mapping[str, str]) -> None:
        self._shop = shop
        self._reception = reception
        said = shop.settings.mqtt
        self._topics = [Topic(text) for text in said.topics]
        self._sender = Sender("mqtt", said.source, is_browser=False, user_kind="user")
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[_Brought] = asyncio.Queue()
        self._connection = 0
        self._client = self._made(environment)

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers."""
        return bool(self._client.is_connected())

    async def run(self, told: asyncio.Event) -> None:
        """Bridges until it is told to stop; what is not acknowledged by then the broker brings again."""
        where = urlsplit(self._shop.settings.mqtt.url)
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = self._shop.settings.mqtt.session_days * _A_DAY
        session.ReceiveMaximum = _UNACKNOWLEDGED
        session.MaximumPacketSize = _MOST_BYTES
        self._client.connect_async(
            where.hostname or "", where.port or _PORTS[where.scheme], _KEEP_ALIVE, clean_start=False, properties=session
        )
        self._client.loop_start()
        try:
            while (some := await self._next(told)) is not None:
                if await self._kept(some, told):
                    self._acknowledge(some)
        finally:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    async def _next(self, told: asyncio.Event) -> list[_Brought] | None:
        """Gives what waits, at least one payload; None when it is told to stop."""
        first, stop = asyncio.ensure_future(self._waiting.get()), asyncio.ensure_future(told.wait())
        await asyncio.wait({first, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if told.is_set():
            first.cancel()
            return None
        some = [first.result()]
        while len(some) < _UNACKNOWLEDGED and not self._waiting.empty():
            some.append(self._waiting.get_nowait())
        return some

    async def _kept(self, some: Sequence[_Brought], told: asyncio.Event) -> bool:
        """Has payloads kept, however long the log is away; False when it is told to stop before that."""
        for part in _parts(some):
            messages = [message for one in part for message in topic_messages(self._topics, one.topic, one.payload)]
            for start in range(0, len(messages), _MOST_AT_ONCE):
                if not await self._taken(messages[start : start + _MOST_AT_ONCE], told):
                    return False
        return True

    async def _taken(self, messages: Sequence[Any], told: asyncio.Event) -> bool:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._reception.take(self._sender, messages, now=now(self._shop))
            except ShopkeeperError as error:
                logger("mqtt").warning("the log did not take signals, again later", error=noted(error), pause=pause)
            else:
                return True
            try:
                await asyncio.wait_for(told.wait(), pause)
            except TimeoutError:
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return False

    def _acknowledge(self, some: Sequence[_Brought]) -> None:
        for one in some:
            if one.qos and one.connection == self._connection:
                self._client.ack(one.number, one.qos)

    def _made(self, environment: Mapping[str, str]) -> Client:
        said = self._shop.settings.mqtt
        client = Client(
            CallbackAPIVersion.VERSION2, said.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        if said.username:
            client.username_pw_set(said.username, password_of(said, environment))
        if urlsplit(said.url).scheme == "mqtts":
            client.tls_set(ca_certs=said.ca_file or None, cert_reqs=ssl.CERT_REQUIRED)
        client.reconnect_delay_set(1, _LONGEST_AWAY)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    # The broker's thread calls what follows.

    def _on_connect(
        self, client: Client, _given: object, flags: ConnectFlags, said: ReasonCode, _properties: Properties | None
    ) -> None:
        if said.is_failure:
            logger("mqtt").error("the broker does not let us in", reason=str(said))
            return
        self._connection += 1
        logger("mqtt").info("connected", goes_on=flags.session_present)
        client.subscribe([(topic.filter, SubscribeOptions(qos=1)) for topic in self._topics])

    def _on_message(self, _client: Client, _given: object, message: MQTTMessage) -> None:
        one = _Brought(message.topic, bytes(message.payload), message.mid, message.qos, self._connection)
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, one)

    def _on_disconnect(
        self, _client: Client, _given: object, _flags: object, said: ReasonCode, _properties: Properties | None
    ) -> None:
        logger("mqtt").warning("the broker is away", reason=str(said))


def _parts(some: Iterable[_Brought]) -> Iterator[list[_Brought]]:
    """Payloads in parts that one batch of the log can hold: what is refused stands in it whole."""
    part: list[_Brought] = []
    size = 0
    for one in some:
        if part and size + len(one.payload) > _MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one.payload)
    if part:
        yield part


def run_bridge(shop: Shop) -> None:
    """Bridges until SIGTERM or SIGINT.

    Raises:
        UsageError: The settings name no broker, or a topic is none.
        MissingError: The file with the password is not there.
    """
    asyncio.run(_bridge(shop))


async def _bridge(shop: Shop) -> None:
    told = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told.set)
    bridge = Bridge(shop, reception_of(shop), os.environ)
    heartbeat = Heartbeat(shop, "mqtt", lambda: {"connected": bridge.is_connected})
    beating = asyncio.create_task(_beat(heartbeat))
    try:
        await bridge.run(told)
    finally:
        beating.cancel()
        await asyncio.to_thread(heartbeat.end)


async def _beat(heartbeat: Heartbeat) -> None:
    while True:
        await asyncio.to_thread(heartbeat.beat)
        await asyncio.sleep(_LOOKS_EVERY)
