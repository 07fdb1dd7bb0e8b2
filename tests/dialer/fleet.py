"""Many agencies and the workers of one queue, each a process of its own as Lambda's execution environments are."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import boto3  # pyright: ignore[reportMissingTypeStubs]

from local import mapping, queues
from local.functions import Context
from local.processes import Part
from tests.calling import FUNCTIONS
from tests.dialer.harness import until

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from local.functions import Function

PROCESS = FUNCTIONS["calls-batch-process"]


@dataclass
class Fleet:
    """A queue of a processor; `folder` keeps its workers' logs."""

    folder: Path
    sqs: Any
    queue_url: str
    process: Function

    @classmethod
    @contextmanager
    def running(cls, folder: Path, visibility_seconds: float, process: Function = PROCESS) -> Generator[Fleet]:
        sqs: Any = cast("Any", boto3).client("sqs")
        try:
            yield cls(folder, sqs, queues.make(sqs, f"fleet-{uuid4().hex}", visibility_seconds), process)
        finally:
            sqs.close()

    @contextmanager
    def worker(self) -> Generator[Part]:
        """A process that serves one message after the other; its environment is that of this moment."""
        command = (sys.executable, "-m", "local.mapping", self.process.name)
        log = self.folder / f"worker-{uuid4().hex[:8]}.log"
        part = Part("worker", command, log, mapping.READY_LINE, os.environ | {"DISPATCH_QUEUE_URL": self.queue_url})
        part.start()
        try:
            part.wait_ready()
            yield part
        finally:
            part.signal_stop()
            part.join()

    def dispatch(self) -> int:
        """The scheduled run: how many messages it has sent."""
        return self.process.resolve()(self.process.schedules[0].event, Context(self.process))["dispatched"]

    def invoke(self, *messages: dict[str, Any]) -> dict[str, Any]:
        """One invocation with these messages, as the mapping makes it."""
        return self.process.resolve()(mapping.event(*messages), Context(self.process))

    def received(self, **attributes: str) -> dict[str, Any]:
        """The next message, with these attributes instead of its own."""
        asked = {"QueueUrl": self.queue_url, "AttributeNames": ["All"], "WaitTimeSeconds": 10}
        (message,) = self.sqs.receive_message(**asked)["Messages"]
        return {**message, "Attributes": message["Attributes"] | attributes}

    def send(self, body: object) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=text)

    def waiting(self) -> int:
        """Messages that nobody has taken."""
        return self._count(self.queue_url, "ApproximateNumberOfMessages")

    def taken(self) -> int:
        """Messages that are being served."""
        return self._count(self.queue_url, "ApproximateNumberOfMessagesNotVisible")

    def dead(self) -> int:
        """Messages that were given up."""
        return self._count(self._dead_url, "ApproximateNumberOfMessages")

    def drain(self) -> None:
        """Return when every message was served."""
        until(lambda: self.waiting() + self.taken() == 0, 60)

    def logs(self) -> str:
        """What the workers wrote."""
        return "\n".join(file.read_text() for file in sorted(self.folder.glob("worker-*.log")))

    @cached_property
    def _dead_url(self) -> str:
        name = self.queue_url.rpartition("/")[2]
        return self.sqs.get_queue_url(QueueName=f"{name}-dead")["QueueUrl"]

    def _count(self, queue_url: str, attribute: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[attribute])
        return int(found["Attributes"][attribute])
