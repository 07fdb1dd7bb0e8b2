"""A list on its way into a batch: uploaded as a client does, read by the processor here or in a process of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from local.processes import ROOT
from shared import contact_imports, database, lists, storage
from shared.settings import settings
from tests.dialer.harness import Batch
from tests.factories import batch_body
from tests.processes import spawned

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from tests.dialer.harness import World

Row = dict[str, Any]

CHUNK = 10
COUNTERS = ("rows_read", "added", "duplicates_skipped", "invalid")
# Stops at the n-th time that it comes to a point, says so, and goes on when it is told to.
WORKER = """
import json, sys
from shared import crash_points, lists

point, left = sys.argv[2], int(sys.argv[3])

def hook(reached):
    global left
    if reached == point:
        left -= 1
        if left == 0:
            print("reached", flush=True)
            sys.stdin.readline()

crash_points.hook = hook
print(json.dumps(lists.process(lambda: int(sys.argv[1]))), flush=True)
"""


def rows(lines: Iterable[Sequence[str]], header: Sequence[str] = ("phone_number", "first_name")) -> bytes:
    """A CSV file with these rows below a header."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *lines])
    return text.getvalue().encode()


def milliseconds(seconds: float) -> int:
    """What a run is told of its time, to work for so many seconds."""
    return round(1000 * (seconds + lists.WRITES_KEPT_BACK * settings().write_timeout_seconds))


@dataclass
class List:
    """One import of an agency."""

    world: World
    import_id: str
    batch_id: str

    @classmethod
    def ask(cls, world: World, batch: Batch | None = None) -> List:
        """Asks for a file: for a batch that exists, or a new one."""
        body = batch_body(world.agency, calls_per_minute=6000, max_concurrent=1000, calling_hours=None)
        given = {"batch_id": batch.id} if batch else {**body, "contacts": None}
        params = {"p_user_id": world.agency.owner, "p_upload": given, "p_seconds": 3600}
        answer = database.rpc("create_contact_import", {**params, "p_import_id": uuid4()})
        return cls(world, answer["import_id"], answer["batch_id"])

    @classmethod
    def of(cls, world: World, content: bytes, batch: Batch | None = None) -> List:
        """A list whose file has been uploaded."""
        asked = cls.ask(world, batch)
        asked.upload(content)
        return asked

    def upload(self, content: bytes) -> None:
        """Puts the file to the link, as a client does."""
        url = storage.upload_link(contact_imports.list_object(self.import_id), contact_imports.CONTENT_TYPE)
        headers = {"Content-Type": contact_imports.CONTENT_TYPE}
        httpx.put(url, content=content, headers=headers, trust_env=False).raise_for_status()

    def run(self, seconds: float = 60) -> Row:
        """One run in this process; this list's entry in its answer."""
        answer: Row = lists.process(lambda: milliseconds(seconds))
        (entry,) = (entry for entry in answer["results"] if entry["import_id"] == self.import_id)
        return entry

    def row(self) -> Row:
        return self.world.one("select * from public.contact_imports where id = %s", self.import_id)

    @property
    def status(self) -> str:
        return self.row()["status"]

    @property
    def batch(self) -> Batch:
        return Batch(self.world, self.batch_id)

    def counters(self) -> tuple[int, ...]:
        """Rows read, added, duplicates skipped, invalid."""
        row = self.row()
        return tuple(row[name] for name in COUNTERS)

    def set(self, name: str, value: object) -> None:
        """Changes the import's row past the product."""
        assert name in ("resume_after", "attempts", "expires_at")
        query = f"update public.contact_imports set {name} = %s where id = %s"  # noqa: S608
        self.world.db.execute(query.encode(), [value, self.import_id])

    def age(self, interval: str) -> None:
        """As if the link had ended so long ago."""
        query = "update public.contact_imports set expires_at = batchline.clock() - %s::interval where id = %s"
        self.world.db.execute(query, [interval, self.import_id])

    def start(self) -> Batch:
        """Executes the batch, which the upload has made as a draft."""
        params = {"p_user_id": self.world.agency.owner, "p_batch_id": self.batch_id}
        database.rpc("execute_call_batch", params)
        return self.batch

    def expire(self) -> None:
        """As if the time of the lease were over; waits for a chunk that is being written."""
        query = "update public.contact_imports set claimed_until = 'epoch' where id = %s and claimed_by <> ''"
        self.world.db.execute(query, [self.import_id])

    def contacts(self) -> list[Row]:
        return self.batch.contacts()

    def numbers(self) -> list[str]:
        return [contact["phone_number"] for contact in self.contacts()]

    def file(self) -> storage.Stored | None:
        """The uploaded file, as long as it is kept."""
        return storage.look(contact_imports.list_object(self.import_id))

    def report(self) -> list[list[str]]:
        """The report's lines, its header apart."""
        url = storage.link(contact_imports.report_object(self.import_id))
        text = httpx.get(url, trust_env=False).raise_for_status().content.decode("utf-8-sig")
        header, *lines = csv.reader(io.StringIO(text, newline=""))
        assert header == ["row", "column", "problem", "what to do"]
        assert len(lines) == self.row()["report_rows"]
        return lines

    def faults(self) -> list[tuple[int, str, str]]:
        """Row, column and problem of each line of the report."""
        return [(int(row), column, problem) for row, column, problem, _ in self.report()]


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

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self) -> Row:
        """What its run answered, once it has ended."""
        written, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return json.loads(written.splitlines()[-1])


@contextmanager
def worker(point: str = "", times: int = 1, seconds: float = 60) -> Generator[Worker]:
    """A run in a process of its own, gone at the end of the block, that stops the n-th time it comes to a point."""
    with spawned(
        [sys.executable, "-c", WORKER, str(milliseconds(seconds)), point, str(times)],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield Worker(process)
