"""Sending to an address that a customer chose: where a URL leads is looked up once, checked, and only there it goes."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Self

import httpx

from shared import crash_points
from shared.dials import retry_after
from shared.settings import settings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType

MOST_READ = 64 * 1024
KEEP_ALIVE_SECONDS = 2  # shorter than any receiver's, so that no POST meets a connection that is being closed
MOST_WAITED = 900  # seconds of a Retry-After
TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64: the last four bytes are an IPv4 address
ASKING_FOR_A_PAUSE = (429, 502, 503, 504)

Address = IPv4Address | IPv6Address


class RefusedReceiverError(Exception):
    """The URL leads where nothing may be sent; the message is a sentence for the agency."""


@dataclass(frozen=True)
class Delivery:
    """What one attempt came to. `answer` is the HTTP status, None where there was none; `error` is for the agency."""

    answer: int | None
    error: str | None
    retry_after_seconds: float = 0

    @property
    def delivered(self) -> bool:
        return self.error is None


def trusted() -> ssl.SSLContext:
    """The certificates that are believed: those that come with the program, whatever the environment says."""
    return httpx.create_ssl_context(trust_env=False)


class Receiver:
    """One client for one host's URLs; an async context manager. `tls` may be shared: making one takes 20 ms.

    For one host alone, since the pool knows connections by address, and would send what is for one name over another's.
    Redirects are not followed, proxies and cookies not used, answers read to MOST_READ bytes and not kept.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._settings = settings()
        limits = httpx.Limits(max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_SECONDS)
        self._client = httpx.AsyncClient(
            verify=tls,
            trust_env=False,
            follow_redirects=False,
            limits=limits,
            timeout=self._settings.notice_timeout_seconds,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """POST once. Never raises for anything that the network or the receiver does."""
        try:
            async with asyncio.timeout(self._settings.notice_timeout_seconds):
                return await self._send(httpx.URL(url), body, headers)
        except RefusedReceiverError as error:
            return Delivery(None, f"{error}")
        except (TimeoutError, httpx.TimeoutException):
            return Delivery(None, f"No answer within {self._settings.notice_timeout_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Delivery(None, f"The endpoint could not be reached ({type(error).__name__})")

    async def _send(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> Delivery:
        if url.scheme != "https" and not self._settings.notices_allow_http:
            raise RefusedReceiverError("The endpoint's URL is not https")
        address = await self._address(url)
        # The name is looked up here and never again: between a look and a second one it could lead elsewhere.
        request = self._client.build_request(
            "POST",
            url.copy_with(host=f"{address}"),
            content=body,
            headers={**headers, "Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"},
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )
        crash_points.reach("notice_before_send")
        response = await self._client.send(request, stream=True)
        try:
            await _read_some(response)
        finally:
            await response.aclose()
        crash_points.reach("notice_sent")
        return _delivery(response)

    async def _address(self, url: httpx.URL) -> Address:
        """The first address of the host; all of them have to be such as may be sent to."""
        port = url.port or {"https": 443}.get(url.scheme, 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise RefusedReceiverError("The endpoint's host name is not known") from None
        addresses = [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
        if not self._settings.notices_allow_private and not all(is_public(one) for one in addresses):
            raise RefusedReceiverError("The endpoint's host leads to an address that is not public")
        return addresses[0]


def is_public(address: Address) -> bool:
    """Whether the address is one of the open internet, whatever it is wrapped in."""
    inner: Address = address
    if isinstance(address, IPv6Address):
        translated = IPv4Address(int(address) & 0xFFFFFFFF) if address in TRANSLATED else None
        inner = address.ipv4_mapped or address.sixtofour or translated or address
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


async def _read_some(response: httpx.Response) -> None:
    """An answer counts when its head is there; a body is read only to leave the receiver in peace."""
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > MOST_READ:
            return


def _delivery(response: httpx.Response) -> Delivery:
    status = response.status_code
    if response.is_success:
        return Delivery(status, None)
    if response.is_redirect:
        return Delivery(status, f"The endpoint answered {status}: redirects are not followed")
    pause = "Retry-After" in response.headers and status in ASKING_FOR_A_PAUSE
    return Delivery(status, f"The endpoint answered {status}", min(retry_after(response), MOST_WAITED) if pause else 0)
