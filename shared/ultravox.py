"""The provider's client. What became of a request is a value, never an exception to guess from."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx
import stamina
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from shared import crash_points, provider_json, secrets
from shared.clock import boottime
from shared.dials import DialResult, call_request, read_answer
from shared.lanes import Lanes
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType

    from shared.dials import DialOrder

MOST_CONNECTED_AHEAD = 30  # the creations a second of the provider's largest plan
CONNECT_AHEAD_SECONDS = 1.0
TOO_LATE = "The time to send had passed"
PAGES_OF_A_LOOKUP = 20  # a call of ours has one hit; a filter that is ignored must not make us read a whole history


class LookupFailedError(Exception):
    """The provider could not be asked; what it would have said is not known."""


class TooLateError(Exception):
    """The time by which the POST had to leave is over; nothing was sent."""


class Page(BaseModel):
    """One page of a list of calls."""

    results: list[dict[str, Any]]
    next: str | None = None


class Tombstone(BaseModel):
    """As much as we need of what the provider keeps of a deleted call; our metadata is not in it."""

    callId: UUID  # noqa: N815 - the provider's name


class Sending:
    """Watches one POST on its way to the socket: refuses what would leave after `dial_by`, remembers whether it left.

    Headers and body are two writes. A worker that was frozen between them must not send the second, and nothing was
    sent that could place a call: until the body is there the provider does not know whom to call.
    """

    def __init__(self, dial_by: float) -> None:
        self.dial_by = dial_by
        self.sent = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        # httpcore announces each step; these are the last ones before a write, after any connecting.
        if event in ("http11.send_request_headers.started", "http11.send_request_body.started"):
            crash_points.reach("before_post")
            if boottime() >= self.dial_by:
                raise TooLateError
            self.sent = event == "http11.send_request_body.started"
            crash_points.reach("checked")
        elif event == "http11.send_request_body.complete":
            crash_points.reach("during_post")


class Ultravox:
    """One client for all agencies; an async context manager. The key goes with each request, to the one host."""

    def __init__(self) -> None:
        self._settings = settings()
        self.lanes = Lanes(self._settings.dial_connections)
        self._connected = 0
        self._dialling = self._client(self.lanes)
        self._reading = self._client(Lanes(self._settings.dial_connections))

    def _client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        timeout = httpx.Timeout(self._settings.dial_timeout_seconds, connect=self._settings.connect_timeout_seconds)
        return httpx.AsyncClient(base_url=self._settings.ultravox_base_url, transport=transport, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._dialling.aclose()
        await self._reading.aclose()

    async def connect(self, count: int) -> None:
        """Open connections for so many calls at once, unless that was done before; whatever goes wrong, the dial tells.

        Done before the calls begin: those that come a handshake late meet the next second's at the provider.
        """
        if (count := min(count, MOST_CONNECTED_AHEAD)) <= self._connected:
            return
        self._connected = count
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_AHEAD_SECONDS):
                await asyncio.gather(*(self._dialling.head("/") for _ in range(count)), return_exceptions=True)

    async def dial(self, order: DialOrder, key: str, webhook_secret: str | None, dial_by: float) -> DialResult:
        """Ask the provider, once, to place the call. Never raises for anything that the network or provider does.

        `dial_by` is on the clock of `boottime()`. The POST is never repeated: a second one could be a second call.
        """
        call_id, sending = order["call_id"], Sending(dial_by)
        if not _fits_a_header(key):
            return DialResult(call_id, "account_refused", "The agency's API key cannot be one: store a valid one")
        request = self._dialling.build_request(
            "POST",
            f"{_agent(order['ultravox_agent_id'])}/calls",
            content=to_json(call_request(order, webhook_secret, self._settings)),
            headers={"X-API-Key": key, "Content-Type": "application/json"},
            extensions={"trace": sending.trace},
        )
        try:
            async with asyncio.timeout(self._settings.dial_timeout_seconds):
                response = await self._dialling.send(request)
                crash_points.reach("answered")
        except TooLateError:
            return DialResult(call_id, "not_sent", TOO_LATE)
        except (httpx.HTTPError, TimeoutError) as error:
            if not sending.sent and boottime() >= dial_by:  # it was we who were held up, whatever was tried then
                return DialResult(call_id, "not_sent", TOO_LATE)
            why = f"{type(error).__name__}: {error}".removesuffix(": ")
            return DialResult(call_id, "unknown" if sending.sent else "unreachable", why)
        if response.status_code == 404:
            return await self._read_missing(order, key, response)
        return read_answer(call_id, response)

    async def _read_missing(self, order: DialOrder, key: str, response: httpx.Response) -> DialResult:
        """A 404 means that the agent is gone only when the provider says so of the agent itself."""
        try:
            agent = await self._get(_agent(order["ultravox_agent_id"]), key)
        except LookupFailedError:
            return read_answer(order["call_id"], response)
        if agent is None:
            return DialResult(
                order["call_id"],
                "agent_gone",
                "The provider no longer has the batch's agent: make a new batch with another one",
            )
        return read_answer(order["call_id"], response)

    async def call(self, ultravox_call_id: str, key: str) -> dict[str, Any] | None:
        """The provider's Call, None when it has none (404). Raises LookupFailedError."""
        call = await self._get(f"/api/calls/{ultravox_call_id}", key)
        if call is not None and call.get("callId") != ultravox_call_id:
            raise LookupFailedError("GET of a call: the answer is another thing")
        return call

    async def calls_of(self, call_id: str, key: str) -> list[dict[str, Any]]:
        """The provider's calls that carry our `call_id`, usually one or none. Raises LookupFailedError."""
        pages = self._pages("/api/calls", {"metadata.call_id": call_id}, key)
        # Each hit is checked: a filter that the provider ignores would hand us a stranger's call.
        return [call async for call in pages if _metadata(call).get("call_id") == call_id]

    async def deleted_since(self, created_from: str, key: str) -> list[str]:
        """The provider's ids of the calls created since (ISO 8601) and deleted by now. Raises LookupFailedError."""
        # By time alone: whether the metadata of a deleted call can still be searched is not known.
        pages = self._pages("/api/deleted_calls", {"fromDate": created_from, "pageSize": "100"}, key)
        try:
            return [str(Tombstone.model_validate(call).callId) async for call in pages]
        except ValidationError as error:
            raise LookupFailedError("/api/deleted_calls: the answer is no list of deleted calls") from error

    async def deletes_calls(self, ultravox_agent_id: str, key: str) -> bool:
        """Whether the agent's calls delete themselves when they are over. Raises LookupFailedError."""
        agent = await self._get(_agent(ultravox_agent_id), key) or {}
        template = agent.get("callTemplate")
        policy = cast("dict[str, Any]", template).get("retentionPolicy") if isinstance(template, dict) else None
        return str(policy).upper().endswith("AUTO_DELETE")

    async def account(self, key: str) -> dict[str, Any]:
        """`GET /api/accounts/me`. Raises LookupFailedError."""
        account = await self._get("/api/accounts/me", key)
        if account is None:
            raise LookupFailedError("GET of the account: it is not there")
        return account

    async def hang_up(self, ultravox_call_id: str, key: str) -> bool:
        """End a joined call; False when it had ended already or could not be reached."""
        try:
            response = await self._reading.post(
                f"/api/calls/{ultravox_call_id}/send_data_message",
                json={"type": "hang_up", "message": ""},
                headers={"X-API-Key": key},
            )
        except httpx.HTTPError:
            return False
        return response.is_success

    async def _pages(self, path: str, query: Mapping[str, str], key: str) -> AsyncIterator[dict[str, Any]]:
        params = dict(query)
        for _ in range(PAGES_OF_A_LOOKUP):
            page = await self._get(path, key, params)
            if page is None:
                raise LookupFailedError(f"{path} is not there")
            try:
                read = Page.model_validate(page)
            except ValidationError as error:  # taken for an empty list, it would have somebody called twice
                raise LookupFailedError(f"{path}: the answer is no list") from error
            for call in read.results:
                yield call
            if not read.next:
                return
            # Only the cursor of `next` is kept: the key never follows a URL out of an answer.
            params = dict(query) | {"cursor": httpx.QueryParams(urlsplit(read.next).query).get("cursor", "")}
        raise LookupFailedError(f"{path} goes on for more than {PAGES_OF_A_LOOKUP} pages")

    async def _get(self, path: str, key: str, params: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        if not _fits_a_header(key):
            raise LookupFailedError("The agency's API key cannot be one")
        try:
            async for attempt in stamina.retry_context(on=httpx.HTTPError, attempts=3, timeout=10, wait_initial=0.2):
                with attempt:
                    response = await self._reading.get(path, params=params, headers={"X-API-Key": key})
                    if response.status_code == 404:
                        return None
                    return _an_object(provider_json.read(response.raise_for_status().content))
        except (httpx.HTTPError, ValueError) as error:
            raise LookupFailedError(f"GET {path}: {error}") from error
        raise AssertionError("unreachable: the retries end with a return or an error")


def _agent(ultravox_agent_id: str) -> str:
    return f"/api/agents/{quote(ultravox_agent_id, safe='')}"


def _an_object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("the answer is no JSON object")  # noqa: TRY004 - as unreadable as broken JSON
    return cast("dict[str, Any]", body)


def _metadata(call: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata: object = call.get("metadata") or {}
    if not isinstance(metadata, dict):  # it may be ours
        raise LookupFailedError("A call in the list has metadata that cannot be read")
    return cast("dict[str, Any]", metadata)


def _fits_a_header(key: str) -> bool:
    return key.isascii() and key.isprintable()


def hang_up_calls(agency_id: UUID, ultravox_call_ids: Sequence[str]) -> int:
    """End the joined calls of an agency through the provider; the number of those that it ended."""

    async def hang_up_all() -> int:
        key = secrets.provider_key(agency_id)
        if key is None or not _fits_a_header(key):
            return 0
        async with Ultravox() as ultravox:
            return sum(await asyncio.gather(*(ultravox.hang_up(call_id, key) for call_id in ultravox_call_ids)))

    return asyncio.run(hang_up_all()) if ultravox_call_ids else 0
