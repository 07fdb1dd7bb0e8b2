"""Tells customers what happened to their calls: signed, retried and, on request, late, twice or never."""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import httpx
from pydantic_core import to_json

from local.simulator.chance import chances
from local.simulator.rendering import call_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulator.accounts import Webhook
    from local.simulator.call import Call
    from local.simulator.calls import Calls
    from local.simulator.config import Config


class Delivery(NamedTuple):
    """One event on its way to one address; `attempt` counts from 0."""

    url: str
    secrets: list[str]
    body: bytes
    call: Call
    registered: Webhook | None
    attempt: int = 0


class Webhooks:
    """At most `in_flight` requests at a time, each worker on one connection of its own: httpx's pool costs dearly."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._queue: asyncio.Queue[tuple[Calls, Delivery]] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._idle = 0
        self._tls = ssl.create_default_context()

    def emit(self, calls: Calls, event: str, call: Call) -> None:
        """Sends an event to whoever asked for it, as the call is now."""
        if not self.config.webhooks.enabled:
            return
        body = b""
        for place, (url, secrets, registered) in enumerate(_addressees(event, call)):
            body = body or to_json({"event": event, "call": call_json(call, self.config.sip_details)})
            self._post(calls, Delivery(url, secrets, body, call, registered), f"{event} {place}")

    def forget(self) -> None:
        """Drops what is waiting to be sent."""
        while not self._queue.empty():
            self._queue.get_nowait()

    async def close(self) -> None:
        """Ends the workers; what is under way is lost."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _post(self, calls: Calls, delivery: Delivery, name: str) -> None:
        settings, call = self.config.webhooks, delivery.call
        lost, twice, delay, second_delay = chances(self.config.seed, call.number, call.nth, name)
        account, batch = call.account.id, call.metadata.get("batch_id")
        if lost < settings.lose_rate:
            calls.oracle.delivery("lost", account, batch)
            return
        self._later(calls, delivery, delay)
        if twice < settings.duplicate_rate:
            calls.oracle.delivery("duplicated", account, batch)
            self._later(calls, delivery, second_delay)

    def _later(self, calls: Calls, delivery: Delivery, chance: float) -> None:
        calls.oracle.pending(delivery.call.account.id, delivery.call.metadata.get("batch_id"))
        low, high = self.config.webhooks.delay_seconds
        self._enqueue_after(calls, delivery, low + (high - low) * chance)

    def _enqueue_after(self, calls: Calls, delivery: Delivery, delay: float) -> None:
        if delay:
            calls.timers.at(time.monotonic() + delay, lambda _: self._enqueue(calls, delivery))
        else:
            self._enqueue(calls, delivery)

    def _enqueue(self, calls: Calls, delivery: Delivery) -> None:
        self._queue.put_nowait((calls, delivery))
        if self._queue.qsize() > self._idle and len(self._workers) < self.config.webhooks.in_flight:
            self._workers.append(asyncio.create_task(self._work()))

    async def _work(self) -> None:
        limits = httpx.Limits(max_connections=1, keepalive_expiry=30)
        async with httpx.AsyncClient(limits=limits, verify=self._tls, trust_env=False) as client:
            while True:
                self._idle += 1
                calls, delivery = await self._queue.get()
                self._idle -= 1
                failure = await self._attempt(client, delivery)
                self._settle(calls, delivery, failure)

    async def _attempt(self, client: httpx.AsyncClient, delivery: Delivery) -> str | None:
        headers = {"Content-Type": "application/json", **signature(delivery.body, delivery.secrets, datetime.now(UTC))}
        timeout = self.config.webhooks.timeout_seconds
        try:
            answer = await client.post(delivery.url, content=delivery.body, headers=headers, timeout=timeout)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        except Exception as error:  # whatever it is: with this worker the delivery would die, and never be repeated
            logging.getLogger(__name__).exception("A delivery failed in a way nobody foresaw")
            return f"{type(error).__name__}: {error}"
        return None if answer.status_code < 400 else f"HTTP {answer.status_code}"

    def _settle(self, calls: Calls, delivery: Delivery, failure: str | None) -> None:
        settings, call = self.config.webhooks, delivery.call
        account, batch = call.account.id, call.metadata.get("batch_id")
        if failure and delivery.attempt < settings.retries:
            calls.oracle.delivery("retried", account, batch)
            delay = settings.retry_first_seconds * 2**delivery.attempt
            self._enqueue_after(calls, delivery._replace(attempt=delivery.attempt + 1), delay)
            return
        calls.oracle.delivery("failed" if failure else "delivered", account, batch, pending=-1)
        if delivery.registered:
            delivery.registered.report(failure)


def signature(body: bytes, secrets: list[str], now: datetime) -> dict[str, str]:
    """The headers that prove who sent `body`: HMAC-SHA256 over body, then timestamp, one per secret."""
    timestamp = now.isoformat()
    digests = [hmac.digest(secret.encode(), body + timestamp.encode(), "sha256").hex() for secret in secrets]
    signed = {"X-Ultravox-Webhook-Signature": ",".join(digests)} if digests else {}
    return {"X-Ultravox-Webhook-Timestamp": timestamp, **signed}


def _addressees(event: str, call: Call) -> Iterator[tuple[str, list[str], Webhook | None]]:
    callback = call.settings.get("callbacks", {}).get(event.removeprefix("call."))
    if callback:
        yield callback["url"], callback.get("secrets", []), None
    for webhook in call.account.webhooks.values():
        if event in webhook.events and webhook.agent_id in (None, call.agent_id):
            yield webhook.url, webhook.secrets, webhook
