"""Plays the event source mapping between a queue and its function, in a process of its own: one message an invocation.

SIGTERM ends it at once, whatever runs: its messages come back to the queue when their time is over, as Lambda's do.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

from local.aws import ACCOUNT, REGION
from local.functions import load

if TYPE_CHECKING:
    from local.functions import Event, Function

logger = logging.getLogger("mapping")

READY_LINE = "the mapping polls"
POLL_SECONDS = 1


class Mapping:
    """One function fed by one queue, a message at a time, and by as many threads as call `poll`."""

    def __init__(self, function: Function, queue_url: str) -> None:
        self._function = function
        self._queue_url = queue_url
        config = Config(retries={"total_max_attempts": 3, "mode": "standard"}, max_pool_connections=50)
        self._sqs: Any = cast("Any", boto3).client("sqs", config=config)

    def poll(self) -> None:
        """Serve one message, if one comes within a second."""
        answer = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=POLL_SECONDS,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            self._serve(message)

    def keep_polling(self) -> None:
        """Serve one message after the other, for ever: a mapping that cannot reach its queue goes on trying."""
        while True:
            try:
                self.poll()
            except Exception:
                logger.exception("%s: the queue could not be polled", self._function.name)
                time.sleep(POLL_SECONDS)  # nobody tells when the queue is back

    def close(self) -> None:
        self._sqs.close()

    def _serve(self, message: dict[str, Any]) -> None:
        """Delete the message if the function said that it is done; else the queue delivers it again."""
        try:
            failures = self._function.invoke(event(message)).get("batchItemFailures", [])
        except Exception:
            logger.exception("%s raised", self._function.name)
            return
        if not failures:
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])


def event(*messages: dict[str, Any]) -> Event:
    """Received messages as Lambda hands them to a function."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": message.get("MessageAttributes", {}),
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue",
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def main() -> None:
    """Polls until SIGTERM. Arguments: the function's name and how many messages it serves at once, 1 unless given.

    The queue is DISPATCH_QUEUE_URL's.
    """
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stdout)
    logger.setLevel(logging.INFO)
    name, at_once = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    mapping = Mapping(load()[name], os.environ["DISPATCH_QUEUE_URL"])
    for _ in range(at_once):
        threading.Thread(target=mapping.keep_polling, name=name, daemon=True).start()
    print(READY_LINE, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
