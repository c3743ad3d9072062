"""The way out: what is refused, what is signed, and that a name is looked up once and its address used."""

import base64
import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shopkeeper.base.errors import UnavailableError, UsageError
from shopkeeper.storage.web_hook import Door, refuse_address, signature


class Receiver:
    """A real HTTP server that answers as told and keeps what it got."""

    def __init__(self) -> None:
        self.status, self.got = 200, []
        self.answered: Callable[[], object] = lambda: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                receiver.answered()
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "192.0.2.1", "2001:db8::1",
        "fec0::1", "::7f00:1", "::ffff:0:7f00:1", "5f00::1", "3fff::1", "192.0.0.8", "192.88.99.1",
    ],
)  # fmt: skip
def test_addresses_of_the_inside_are_refused(address: str) -> None:
    assert refuse_address(address) is not None
    door = Door(resolve=lambda _host, _port: ["93.184.216.34", address])
    with pytest.raises(UsageError, match="nothing is sent to hooks"):
        door.send("https://hooks.example.com/x", {}, b"{}")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_addresses_of_the_open_internet_pass(address: str) -> None:
    assert refuse_address(address) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "ftp://hooks.example.com/", "https://user:pass@hooks.example.com/", "https:///x",
        "https://hooks.example.com:22/", "https://hooks.example.com:99999/", "https://[::1/", "file:///etc/passwd",
        "http://127.0.0.1/", "https://127.0.0.1:9/",
    ],
)  # fmt: skip
def test_urls_that_take_no_web_hook(url: str) -> None:
    with pytest.raises(UsageError):
        Door().check(url)


def test_this_machine_is_spoken_to_only_where_a_test_says_so(receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.port}/hook?a=1"
    with pytest.raises(UsageError):
        Door().send(url, {}, b"{}")
    with pytest.raises(UsageError, match="is not an address"):
        Door(ports=(receiver.port,)).send(f"https://127.0.0.1:{receiver.port}/", {}, b"{}")
    assert receiver.got == []
    Door(allow_loopback=True).send(url, {"webhook-id": "m"}, b"{}")
    ((path, headers, body),) = receiver.got
    assert (path, headers["webhook-id"], body) == ("/hook?a=1", "m", b"{}")


def test_a_redirect_is_no_success_and_is_not_followed(receiver: Receiver) -> None:
    receiver.status = 302
    with pytest.raises(UnavailableError, match="status 302"):
        Door(allow_loopback=True).send(f"http://127.0.0.1:{receiver.port}/hook", {}, b"{}")
    assert [path for path, *_ in receiver.got] == ["/hook"]


def test_a_name_that_turns_inside_gains_nothing(receiver: Receiver) -> None:
    """A resolver that gives a public address first and this machine later is asked once."""
    answers = iter([["127.0.0.1"], ["93.184.216.34"]])
    asked = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    with pytest.raises(UsageError):
        Door(resolve=resolve, ports=(receiver.port,)).send(f"https://hooks.example.com:{receiver.port}/", {}, b"{}")
    assert (asked, receiver.got) == (["hooks.example.com"], [])


def test_tls_checks_the_name(receiver: Receiver, tmp_path: Path) -> None:
    authority, files = _certificate(tmp_path, "localhost")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*files)
    receiver.server.socket = served.wrap_socket(receiver.server.socket, server_side=True)
    trusting = ssl.create_default_context(cafile=str(authority))
    url = f"https://localhost:{receiver.port}/hook"
    Door(allow_loopback=True, context=trusting, resolve=lambda _h, _p: ["127.0.0.1"]).send(url, {}, b"{}")
    assert len(receiver.got) == 1
    with pytest.raises(UnavailableError, match="SSLCertVerificationError"):
        Door(allow_loopback=True, context=trusting).send(f"https://127.0.0.1:{receiver.port}/hook", {}, b"{}")
    with pytest.raises(UnavailableError, match="SSLCertVerificationError"):
        Door(allow_loopback=True).send(url, {}, b"{}")
    assert len(receiver.got) == 1


def test_signature_is_that_of_standard_webhooks() -> None:
    """The example that the specification's own libraries are tested with."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265331, b'{"test": 2432232314}') != found
    signed = hmac.new(secret, b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}', hashlib.sha256)
    assert base64.b64encode(signed.digest()).decode() == found.removeprefix("v1,")


def _certificate(folder: Path, name: str) -> tuple[Path, tuple[str, str]]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return certificate, (str(certificate), str(secret))


def test_a_receiver_that_answers_a_letter_at_a_time_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                while not ended.wait(0.02):
                    connection.send(b"H")

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        try:
            with pytest.raises(UnavailableError):
                Door(allow_loopback=True, seconds=0.3).send(
                    f"http://127.0.0.1:{listening.getsockname()[1]}/", {}, b"{}"
                )
            assert time.monotonic() - began < 5
        finally:
            ended.set()
            thread.join()
