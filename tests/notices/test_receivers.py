"""Where a URL leads is looked up once and checked; there the request goes, whatever the name says a moment later."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.receivers import Delivery, Receiver, is_public, trusted
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PRIVATE = [
    "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",  # noqa: S104
    "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254",
    "ff02::1", "ff0e::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a00:1::1", "2001:db8::1", "2001::1", "::127.0.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
NOT_PUBLIC = Delivery(None, "The endpoint's host leads to an address that is not public")


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_our_own_network_or_of_no_network_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.fixture
def leads_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """From now on any name leads to these addresses, one set at each look; the names that were looked up."""

    def lead(*answers: list[str]) -> list[str]:
        left, asked = list(answers), list[str]()

        def look_up(host: str, port: int, *_rest: object, **_more: object) -> list[Any]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in left.pop(0)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return lead


def send(url: str, tls: ssl.SSLContext | None = None) -> Delivery:
    async def once() -> Delivery:
        async with Receiver(tls or trusted()) as receiver:
            return await receiver.send(url, b"{}", {})

    return asyncio.run(once())


def test_a_name_is_looked_up_once_and_the_request_goes_where_it_led(leads_to: Callable[..., list[str]]) -> None:
    with serving(lambda _asked: (204, b"")) as served:
        port = served.url.rpartition(":")[2]
        asked = leads_to(["127.0.0.1"], ["192.0.2.1"])

        assert send(f"http://rebinding.test:{port}/hooks?a=b").delivered

    assert asked == ["rebinding.test"]
    assert (served.asked[0].path, served.asked[0].headers["Host"]) == ("/hooks?a=b", f"rebinding.test:{port}")


def test_of_several_addresses_all_must_be_public(
    leads_to: Callable[..., list[str]], change_settings: Callable[..., None]
) -> None:
    change_settings(NOTICES_ALLOW_PRIVATE="false")
    leads_to(["1.1.1.1", "127.0.0.1"])

    assert send("https://half.test/") == NOT_PUBLIC


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "169.254.169.254"])
def test_no_way_of_writing_an_address_leads_past_the_check(change_settings: Callable[..., None], host: str) -> None:
    change_settings(NOTICES_ALLOW_PRIVATE="false")

    assert send(f"https://{host}:9/") in (NOT_PUBLIC, Delivery(None, "The endpoint's host name is not known"))


def test_an_address_in_brackets_is_reached() -> None:
    delivery = send("http://[::1]:9/")  # discard: nothing listens

    assert delivery == Delivery(None, "The endpoint could not be reached (ConnectError)")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and certificate of receiver.test, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "receiver.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


class _Accepting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def https_port(certificate: Path) -> Iterator[int]:
    """Where receiver.test answers over TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with HTTPServer(("127.0.0.1", 0), _Accepting) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] - a client that hangs up is what is tested
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_certificate_is_that_of_the_name_and_not_of_the_address(
    https_port: int, certificate: Path, leads_to: Callable[..., list[str]]
) -> None:
    leads_to(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=certificate)

    assert send(f"https://receiver.test:{https_port}/", trusting) == Delivery(204, None)
    assert send(f"https://another.test:{https_port}/", trusting).answer is None
    assert send(f"https://receiver.test:{https_port}/").answer is None  # nobody has vouched for it
