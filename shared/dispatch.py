"""Fan-out: the scheduled run sends one message for each agency that needs it, and each message is a run of its own.

The queue is a standard one and decides nothing: what may be done is decided in the database, whoever asks and how many
ask at once. So a message that comes twice, late, or beside another of the same agency costs a round trip and no more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from shared import database
from shared.edge import scheduled
from shared.errors import AppError
from shared.runs import recorded
from shared.settings import settings
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from shared.edge import Handler

RemainingMs = Callable[[], int]
Work = Callable[[RemainingMs, "str | None", "float | None"], Mapping[str, object]]

ENTRIES = 10  # SQS takes no more in one request
SENDERS = 8
OVERLAP_SECONDS = 20  # so that no second between two messages of an agency is without a run
USED = 0.9  # of the workers' time, where they are fewer than the agencies: starting and settling take some
_one_at_a_time = Lock()  # boto3's default session cannot make clients in two threads at once


class DispatchError(AppError):
    """The queue did not take every message."""


def fanned_out(
    processor: str,
    agencies: str,
    *,
    prepare: Callable[[RemainingMs], object] | None = None,
    watch: Callable[[RemainingMs], object] | None = None,
) -> Callable[[Work], Handler]:
    """Make a handler of a processor that can serve one agency: `work(remaining_ms, agency_id, seconds)`.

    Without DISPATCH_QUEUE_URL a scheduled run is one call of the work for all agencies (None, None). With it the run
    calls `prepare`, if given, which does for all agencies what is not worth a message each, sends a message for each
    agency that the database function `agencies` names, calls `watch`, if given, and ends; an event of the queue is one
    call for the agency of each of its messages, for at most `seconds`. What is recorded as the processor's last run is
    the scheduled one: ten thousand messages a minute would wait in line for that row.
    """

    def decorate(work: Work) -> Handler:
        @recorded(processor)
        def scheduled_run(remaining_ms: RemainingMs) -> Mapping[str, object]:
            if settings().dispatch_queue_url is None:
                return work(remaining_ms, None, None)
            if prepare:
                prepare(remaining_ms)
            sent = send(database.rpc(agencies, {}))
            if watch:
                watch(remaining_ms)
            return {"dispatched": sent}

        def main(event: Mapping[str, Any], context: object) -> dict[str, Any]:
            if "Records" in event:
                return scheduled(lambda remaining_ms: _serve(event, remaining_ms, work))(event, context)
            return scheduled(scheduled_run)(event, context)

        return main

    return decorate


def send(agency_ids: Sequence[str]) -> int:
    """Send one message for each of these agencies; how many were sent: none, or all.

    None while more than half as many still wait to be taken: workers that are behind get no further behind, and as
    every message is served, each agency is served equally often. Always in the same order: who is served for a few
    seconds of each minute begins its calls in them, and one that came earlier next time would meet a pace that does not
    allow any yet. Raises DispatchError, after all has been tried, when the queue did not take some.
    """
    if agency_ids and (waiting := _waiting()) > len(agency_ids) / 2:
        logger.warning("the queue's workers are behind", extra={"waiting": waiting, "agencies": len(agency_ids)})
        return 0
    body = {"seconds": share(len(agency_ids))}
    messages = [json.dumps({"agency_id": agency_id, **body}) for agency_id in sorted(agency_ids)]
    parts = [messages[start : start + ENTRIES] for start in range(0, len(messages), ENTRIES)]
    with ThreadPoolExecutor(SENDERS) as threads:
        refused = sum(threads.map(_send, parts))
    if refused:
        raise DispatchError(f"{refused} of {len(messages)} messages were not sent")
    return len(messages)


def share(agencies: int) -> float:
    """For how many seconds a worker serves one of so many agencies before it takes the next message."""
    every, workers = settings().dispatch_every_seconds, settings().dispatch_concurrency
    if agencies <= workers:
        return every + OVERLAP_SECONDS
    return USED * every * workers / agencies


def close() -> None:
    """Close the client; the next call opens another with the settings of that time."""
    with _one_at_a_time:
        if _cached_client.cache_info().currsize:
            _cached_client().close()
            _cached_client.cache_clear()


def _serve(event: Mapping[str, Any], remaining_ms: RemainingMs, work: Work) -> Mapping[str, object]:
    """The messages of one event, all at once; the answer names those that failed, which the queue delivers again."""
    from aws_lambda_powertools.utilities import batch  # 60 ms that a run without a queue need not spend

    async def serve(record: SQSRecord) -> None:
        message: dict[str, Any] = json.loads(record.body)
        agency_id, seconds = message["agency_id"], float(message["seconds"])
        result = await asyncio.to_thread(work, remaining_ms, agency_id, seconds)
        logger.info("an agency was served", extra={"agency_id": agency_id, "result": dict(result)})

    processor = batch.AsyncBatchProcessor(event_type=batch.EventType.SQS)
    with processor(event["Records"], serve):
        cast("Any", processor).async_process()
    return cast("Mapping[str, object]", processor.response())


def _waiting() -> int:
    """About how many messages nobody has taken yet. Raises DispatchError."""
    from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

    attribute = "ApproximateNumberOfMessages"
    try:
        url = settings().dispatch_queue_url
        answer = _client().get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])
    except (BotoCoreError, ClientError) as error:
        raise DispatchError(f"The queue cannot be read: {error}") from error
    return int(answer["Attributes"][attribute])


def _send(messages: Sequence[str]) -> int:
    """Up to ten messages in one request; how many of them were not taken."""
    from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

    entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(messages)]
    try:
        answer = _client().send_message_batch(QueueUrl=settings().dispatch_queue_url, Entries=entries)
    except (BotoCoreError, ClientError):
        logger.exception("Messages could not be sent", extra={"messages": len(messages)})
        return len(messages)
    for one in answer.get("Failed", []):
        logger.error("A message was not taken", extra={"sqs_code": one.get("Code"), "why": one.get("Message")})
    return len(answer.get("Failed", []))


def _client() -> Any:
    with _one_at_a_time:
        return _cached_client()


@lru_cache(maxsize=1)
def _cached_client() -> Any:
    import boto3  # pyright: ignore[reportMissingTypeStubs] - 150 ms that a run without a queue need not spend
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    config = Config(
        connect_timeout=2,
        read_timeout=10,
        max_pool_connections=SENDERS,
        retries={"total_max_attempts": 5, "mode": "standard"},
    )
    return cast("Any", boto3).client("sqs", config=config)
