"""Requests as bytes: no library on the way that would refuse what an attacker may send."""

from __future__ import annotations

import http.client
import socket
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Shot:
    """One request. `path` begins after the functions' own prefix; header names and values go as they stand.

    `is_broken`: it is no HTTP, or more than a server need read; then the server may refuse it in its own words, or
    hang up.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_broken: bool = False

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Shot:
        return replace(self, headers=(*self.headers, *headers))

    def text(self) -> bytes:
        """All but the request line's version, the host and the length of the body."""
        lines = [f"{self.method} {self.path}", *(f"{name}: {value}" for name, value in self.headers)]
        return b"\r\n".join([*(_bytes(line) for line in lines), b"", self.body])


@dataclass(frozen=True)
class Answer:
    """Header names are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


def send(url: str, shot: Shot) -> Answer | None:
    """The answer of the functions at `url`; None where the connection ended without one. Raises TimeoutError."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=LONGEST_WAIT) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it was told everything
            connection.sendall(_message(shot, place.path, place.netloc))
        answer = http.client.HTTPResponse(connection, method=shot.method)
        try:
            answer.begin()
            body = answer.read()
        except (http.client.HTTPException, ConnectionResetError):
            return None
        finally:
            answer.close()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def _message(shot: Shot, prefix: str, host: str) -> bytes:
    lines = [f"{shot.method} {prefix}{shot.path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in shot.headers]
    if shot.body or shot.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(shot.body)}")
    return b"\r\n".join([*(_bytes(line) for line in lines), b"", shot.body])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
