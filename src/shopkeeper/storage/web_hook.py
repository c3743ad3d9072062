"""Web hooks out: signed as Standard Webhooks say, sent over https to an address that was checked, and nowhere else."""

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from shopkeeper.base.errors import UnavailableError, UsageError

__all__ = ["PORTS", "Door", "Resolve", "refuse_address", "signature"]

PORTS = (443, 8443)
"""Ports that a web hook may go to."""
_OK = range(200, 300)
# `is_global` lets forms of private IPv4 addresses pass that stand inside of IPv6 ones.
_HIDDEN = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
# What the library takes for the open internet and no host of it has: relays, protocol assignments, examples.
_NOBODYS = tuple(ipaddress.ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
_UNICAST = ipaddress.ip_network("2000::/3")  # all that is given out of IPv6

Resolve = Callable[[str, int], Sequence[str]]


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

    Reference: Standard Webhooks, https://www.standardwebhooks.com.
    """
    digest = hmac.new(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def refuse_address(address: str) -> str | None:
    """Says why nothing may be sent to an IP address; None when it may."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return refuse_address(str(found.ipv4_mapped))
        if any(found in net for net in _HIDDEN):
            return "is a translated form of another address"
    is_given = isinstance(found, ipaddress.IPv4Address) or found in _UNICAST
    if not is_given or not found.is_global or found.is_multicast or any(found in net for net in _NOBODYS):
        return "is not an address of the open internet"
    return None


@dataclass(frozen=True, slots=True)
class Door:
    """The only way out for web hooks.

    Args:
        allow_loopback: Whether http to this machine itself passes, for tests.
        resolve: Gives the addresses of a host and port; the system's resolver by default.
        context: How TLS is spoken; the system's authorities by default.
        ports: Ports that may be spoken to.
        seconds: So long a message may take, whole: a receiver may answer a letter at a time.
    """

    allow_loopback: bool = False
    resolve: Resolve | None = None
    context: ssl.SSLContext | None = None
    ports: tuple[int, ...] = PORTS
    seconds: float = 10.0

    def check(self, url: str) -> SplitResult:
        """Gives the parts of an address that a web hook may have.

        Raises:
            UsageError: It is not https, has a user or a port that is not spoken to, or cannot be read.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UsageError(
                "the address of the web hook cannot be read", next_step="write https://HOST/PATH"
            ) from None
        if self._is_local(parts):
            return parts
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.password or parts.fragment:
            raise UsageError(
                f"'{parts.scheme}://{parts.hostname or ''}' takes no web hook", next_step="write https://HOST/PATH"
            )
        if (port or 443) not in self.ports:
            raise UsageError(
                f"port {port} takes no web hook", next_step=f"use one of {', '.join(map(str, self.ports))}"
            )
        return parts

    def send(self, url: str, headers: dict[str, str], body: bytes) -> None:
        """Sends a message once; redirects are not followed, and nothing of the answer is kept but its status.

        The name is resolved here, every address is checked, and the connection goes to one of those: a name that means
        another address a moment later gains nothing.

        Raises:
            UsageError: The address may not be spoken to.
            UnavailableError: It was not taken; the message says with which status or kind of error.
        """
        parts = self.check(url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        address = self._address(host, port, is_local=self._is_local(parts))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = http.client.HTTPConnection(host, port, timeout=self.seconds)
        ends = threading.Timer(self.seconds, _cut, [connection])
        ends.daemon = True
        try:
            connection.sock = plain = socket.create_connection((address, port), timeout=self.seconds)
            ends.start()
            if is_tls:
                context = self.context or ssl.create_default_context()
                secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
                connection.sock = secured
                secured.do_handshake()
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"the web hook was not taken: {type(error).__name__}") from error
        finally:
            ends.cancel()
            connection.close()
        if status not in _OK:
            raise UnavailableError(f"the web hook was not taken: status {status}")

    def _is_local(self, parts: SplitResult) -> bool:
        return (
            self.allow_loopback and parts.scheme in ("http", "https") and parts.hostname in ("127.0.0.1", "localhost")
        )

    def _address(self, host: str, port: int, *, is_local: bool) -> str:
        try:
            addresses = (self.resolve or _resolved)(host, port)
        except OSError as error:
            raise UnavailableError("the web hook was not taken: its host has no address") from error
        for address in addresses:
            reason = refuse_address(address)
            if reason is not None and not (is_local and ipaddress.ip_address(address).is_loopback):
                raise UsageError(
                    f"nothing is sent to {host}: {address} {reason}", next_step="name a public https address"
                )
        if not addresses:
            raise UnavailableError("the web hook was not taken: its host has no address")
        return addresses[0]


def _cut(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
