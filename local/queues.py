"""The queues of the stack: one, with a dead-letter queue, for each function that serves one agency per message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local import functions
from local.aws import queue_name

if TYPE_CHECKING:
    from collections.abc import Mapping

FANNED_OUT = ("calls-batch-process", "process-historical-sync", "process-contact-imports")
VISIBILITY_MARGIN_SECONDS = 60  # a message that came back while its function still ran would be served twice at once
RECEIVES = 3


def make_all(sqs: Any) -> None:
    """Make the queues as serverless.yml's are made, where they do not exist."""
    known = functions.load()
    for name in FANNED_OUT:
        make(sqs, queue_name(name), known[name].timeout + VISIBILITY_MARGIN_SECONDS)


def make(sqs: Any, name: str, visibility_seconds: float) -> str:
    """Make one queue and its dead-letter queue, `<name>-dead`; its URL."""
    dead = sqs.create_queue(QueueName=f"{name}-dead", Attributes={"MessageRetentionPeriod": "1209600"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    attributes: Mapping[str, str] = {
        "VisibilityTimeout": str(round(visibility_seconds)),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES}),
    }
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
