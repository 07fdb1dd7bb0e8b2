"""A receiver that an agency has set up, and the processor that tells it: here or in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from standardwebhooks.webhooks import Webhook

from local.processes import ROOT
from shared import notices, notifier
from shared.settings import settings
from tests.processes import spawned

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from uuid import UUID

    from tests.servers import Asked
    from tests.sql.world import Json, World

    Reply = tuple[int, bytes]

# Stops at the n-th time that it comes to a point, says so, and goes on when it is told to.
WORKER = """
import json, sys
from shared import crash_points, notifier

point, left = sys.argv[2], int(sys.argv[3])

def hook(reached):
    global left
    if reached == point:
        left -= 1
        if left == 0:
            print("reached", flush=True)
            sys.stdin.readline()

crash_points.hook = hook
print(json.dumps(notifier.process(lambda: int(sys.argv[1]))), flush=True)
"""


@dataclass
class Receiver:
    """The agency's own program: it verifies with the package's verifier; `replies` are answered before 204s."""

    secrets: list[str] = field(default_factory=list[str])
    replies: list[Reply | None] = field(default_factory=list["Reply | None"])
    got: list[Json] = field(default_factory=list["Json"])

    def answer(self, asked: Asked) -> Reply | None:
        for secret in self.secrets:
            Webhook(secret).verify(asked.body, asked.headers)
        self.got.append({"id": _header(asked, "webhook-id"), **json.loads(asked.body)})
        return self.replies.pop(0) if self.replies else (204, b"")

    @property
    def types(self) -> list[str]:
        return [notice["type"] for notice in self.got]

    @property
    def ids(self) -> list[str]:
        return [notice["id"] for notice in self.got]


def _header(asked: Asked, name: str) -> str:
    return {key.lower(): value for key, value in asked.headers.items()}[name]


@dataclass
class Told:
    """An agency that is told at a URL, with the verbs of the database."""

    world: World
    secret: str = ""

    def set_endpoint(
        self, url: str, events: Sequence[str] = notices.EVENTS, *, active: bool = True, rotate: bool = False
    ) -> Json:
        seed = uuid4().hex
        secret = notices.secret_of(seed)
        answer = self.world.verb(
            "set_notice_endpoint",
            p_user_id=self.world.agency.owner,
            p_url=url,
            p_events=list(events),
            p_active=active,
            p_rotate=rotate,
            p_seed=seed,
            p_secret_hash=notices.hashed(secret),
        )
        self.secret = secret if answer["secret_seed"] == seed else self.secret
        return answer

    def notices(self, batch_id: UUID | None = None) -> list[Json]:
        """In the order in which they were made."""
        rows = [row for row in self.world.all("notices") if batch_id is None or row["batch_id"] == str(batch_id)]
        return sorted(rows, key=lambda row: row["seq"])

    def statuses(self) -> list[tuple[str, str, int]]:
        return [(row["event"], row["status"], row["attempts"]) for row in self.notices()]

    def replay(self, batch_id: UUID | str, notice_id: str | None = None) -> int:
        user_id = self.world.agency.owner
        params = {"p_user_id": user_id, "p_batch_id": batch_id, "p_notice_id": notice_id}
        return self.world.verb("replay_notices", **params)["replayed"]

    def endpoint(self) -> Json:
        query = "select to_jsonb(found) from public.notice_endpoints as found where agency_id = %s"
        row = self.world.connection.execute(query, [self.world.agency.id]).fetchone()
        return cast("tuple[Any]", row)[0]

    def make_due(self) -> None:
        """As if the time to the next attempts had passed, and the leases were over."""
        query = (
            "update public.notices set next_attempt_at = batchline.clock() where status = 'waiting' and agency_id = %s"
        )
        self.world.connection.execute(query, [self.world.agency.id])
        query = "update public.notices set claimed_until = batchline.clock() where claimed_by <> '' and agency_id = %s"
        self.world.connection.execute(query, [self.world.agency.id])


def run(seconds: float = 1) -> Json:
    """One run of the processor in this process, which waits so long for notices that are not due."""
    return dict(notifier.process(lambda: _milliseconds(seconds)))


def _milliseconds(seconds: float) -> int:
    return round(1000 * (seconds + 4 * settings().write_timeout_seconds + settings().notice_timeout_seconds))


@dataclass(frozen=True)
class Worker:
    """A running process of the processor, which stops at its point."""

    process: subprocess.Popen[str]

    def wait_until_reached(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "reached\n"

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more afterwards."""
        self.process.kill()
        self.process.wait()

    def result(self) -> Json:
        """What its run answered; it goes on where it had stopped."""
        written, errors = self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0, errors
        return json.loads(written.splitlines()[-1])


@contextmanager
def worker(point: str = "", times: int = 1) -> Generator[Worker]:
    """A run in a process of its own, gone at the end of the block, that stops the n-th time it comes to a point."""
    with spawned(
        [sys.executable, "-c", WORKER, str(_milliseconds(1)), point, str(times)],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield Worker(process)
