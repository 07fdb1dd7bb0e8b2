"""The provider's list of past calls, a page at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from shared import provider_json
from shared.dials import retry_after
from shared.inputs import MAX_INT, UNSTORABLE
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class HistoryError(Exception):
    """A page was not to be had; the message is a sentence for the agency."""


class UnavailableHistoryError(HistoryError):
    """It may be had at another time."""


class ThrottledHistoryError(HistoryError):
    """It may be had after a pause of `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class RefusedHistoryError(HistoryError):
    """No repetition will help."""


class KeyRefusedError(RefusedHistoryError):
    """The provider does not accept the key."""


@dataclass(frozen=True)
class Page:
    """A page that was asked for by `cursor` (None: the first), and the cursor of the next (None: it is the last).

    `calls` are as the provider has them, readable or not.
    """

    cursor: str | None
    calls: list[Any]
    next_cursor: str | None
    total: int | None

    def as_json(self) -> dict[str, object]:
        """For record_sync_page."""
        times = [time for call in self.calls if (time := _created(call))]
        return {
            "cursor": self.cursor,
            "calls": self.calls,
            "next_cursor": self.next_cursor,
            "total": self.total,
            "oldest": min(times, default=None),
            "newest": max(times, default=None),
        }


class _Body(BaseModel):
    results: list[Any]
    next: str | None = None
    total: Any = None


class History:
    """One client for all agencies; an async context manager. The key goes with each request, to the one host."""

    def __init__(self) -> None:
        self._settings = settings()
        self._host = urlsplit(self._settings.ultravox_base_url).netloc.lower()
        # Redirects are not followed: the key would go wherever they lead.
        self._client = httpx.AsyncClient(
            base_url=self._settings.ultravox_base_url,
            timeout=httpx.Timeout(
                self._settings.sync_page_timeout_seconds, connect=self._settings.connect_timeout_seconds
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def page(self, key: str, dates: Mapping[str, str], cursor: str | None) -> Page:
        """The page at the cursor of the calls of `dates` (fromDate, toDate), newest first. Raises HistoryError."""
        if not (key.isascii() and key.isprintable()):
            raise KeyRefusedError("Agency API key rejected: it cannot be one")
        query = {**dates, "sort": "-created", "pageSize": f"{self._settings.sync_page_size}"}
        try:
            async with asyncio.timeout(self._settings.sync_page_timeout_seconds):
                response = await self._client.get(
                    "/api/calls",
                    params=query if cursor is None else {**query, "cursor": cursor},
                    headers={"X-API-Key": key},
                )
        except (httpx.TimeoutException, TimeoutError) as error:
            raise UnavailableHistoryError("The provider did not answer in time") from error
        except httpx.HTTPError as error:
            raise UnavailableHistoryError(f"The provider could not be reached ({type(error).__name__})") from error
        if response.status_code != 200:
            raise _refusal(response)
        return self._read(response.content, cursor)

    def _read(self, content: bytes, cursor: str | None) -> Page:
        try:
            body = _Body.model_validate(provider_json.read(content))
        except (ValueError, ValidationError) as error:
            raise UnavailableHistoryError("The provider's answer is no list of calls") from error
        following = self._cursor_of(body.next) if body.next else None
        if following is not None and following == cursor:
            raise RefusedHistoryError("The provider's list of calls leads back to the same page")
        return Page(cursor, body.results, following, _count(body.total))

    def _cursor_of(self, url: str) -> str:
        """The cursor in a link to the next page; nothing else of the link is used."""
        try:
            host = urlsplit(url).netloc.lower()
            cursor = httpx.QueryParams(urlsplit(url).query).get("cursor")
        except ValueError:
            host, cursor = "", None
        if host not in ("", self._host):
            raise RefusedHistoryError(
                f"The provider's list of calls leads to another host ({host[:100]}): not followed"
            )
        if not cursor or UNSTORABLE.search(cursor):
            raise UnavailableHistoryError("The provider's link to the next page cannot be read")
        return cursor


def _refusal(response: httpx.Response) -> HistoryError:
    status = response.status_code
    if status in (401, 403):
        return KeyRefusedError(f"Agency API key rejected by the provider ({status})")
    if status == 429 or (status == 503 and ("Retry-After" in response.headers or b'"detail"' in response.content)):
        return ThrottledHistoryError(f"The provider asks for a pause ({status})", retry_after(response))
    if status == 408 or status >= 500:
        return UnavailableHistoryError(f"The provider answered {status}")
    return RefusedHistoryError(f"The provider refused to list the calls ({status}): {response.text.strip()[:200]}")


def _count(total: object) -> int | None:
    """It is only shown: one that cannot be a count is none."""
    return total if type(total) is int and 0 <= total <= MAX_INT else None


def _created(call: object) -> datetime | None:
    created = cast("dict[str, object]", call).get("created") if isinstance(call, dict) else None
    try:
        time = datetime.fromisoformat(created) if isinstance(created, str) else None
    except ValueError:
        return None
    return time if time and time.tzinfo else None
