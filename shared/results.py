"""What came of a batch: as a file for a spreadsheet, and as a new draft with those who were not reached."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import Field

from shared import storage
from shared.database import rpc, rpc_as
from shared.errors import ConflictError
from shared.idempotency import Created
from shared.inputs import Input, PageStart, Text
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shared.auth import Caller
    from shared.idempotency import Attempt
    from shared.result_answers import Export, Redial

PAGE_ROWS = 2000
PATIENCE_SECONDS = 20  # a redial of 100,000 contacts takes some 4 s, and a gateway waits for 30
MAX_FILE_NAME = 80

CONTACT_COLUMNS = (
    "phone_number", "first_name", "last_name", "email", "company", "title", "timezone", "status", "outcome",
    "outcome_notes", "reason", "attempts", "max_attempts", "last_attempt_at", "next_attempt_at", "completed_at",
    "duration_seconds", "summary", "contact_id", "call_id",
)  # fmt: skip
CALL_COLUMNS = (
    "phone_number", "first_name", "last_name", "attempt", "status", "outcome", "began_at", "joined_at", "ended_at",
    "duration_seconds", "billed_duration_seconds", "end_reason", "reason", "short_summary", "summary", "call_id",
    "ultravox_call_id", "contact_id",
)  # fmt: skip

# What makes a spreadsheet take a cell for a formula: at its beginning, and where one that separates cells by semicolons
# or tabs, as in much of Europe, would begin another. The full-width signs count as the plain ones in some of them.
FORMULA = re.compile(r"\A(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])")  # noqa: RUF001

NotReached = Literal[
    "no_answer", "busy", "dropped", "error", "rejected", "invalid_number", "unknown", "not_called"
]  # fmt: skip
# Who may be reached later. Whoever refused, whose number is none, or who may have been called is redialled on request.
MAY_BE_REACHED: tuple[NotReached, ...] = ("no_answer", "busy", "dropped", "error", "not_called")


class ExportRequest(Input):
    """The batch to export: its contacts or, with `calls`, its calls; from the beginning or where a file ended."""

    batch_id: UUID
    calls: Annotated[bool, Field(strict=True)] = False
    cursor: PageStart | None = None


class RedialRequest(Input):
    """The batch whose contacts are to be called again, and which of them."""

    batch_id: UUID
    outcomes: Annotated[tuple[NotReached, ...], Field(min_length=1)] = MAY_BE_REACHED
    name: Text | None = None


def redial(caller: Caller, batch: RedialRequest, attempt: Attempt) -> Created[Redial]:
    """Make a draft of the contacts that were not reached, otherwise like the batch, and return the body of the 201.

    Raises ForbiddenError, NotFoundError (the batch; its agent or number, where that is active no more), BadRequestError
    (nobody is left to be called), ConflictError and UnprocessableError (idempotency).
    """
    params = {
        "p_user_id": caller.user_id,
        "p_batch_id": batch.batch_id,
        "p_outcomes": batch.outcomes,
        "p_name": batch.name,
        "p_once": attempt.once,
    }
    answer = rpc("redial_call_batch", params, repeatable=False, seconds=PATIENCE_SECONDS)
    return Created(answer, answer.pop("replayed", False))


def export(caller: Caller, asked: ExportRequest) -> Export:
    """Write a batch's contacts or calls to a CSV file in object storage and return a link to it.

    Page by page, each as the database had it at its moment: every contact is there once. A file ends when
    EXPORT_SECONDS are over; `next_cursor` is then where the next one begins.
    Raises ForbiddenError, NotFoundError, ConflictError (a person was erased meanwhile), StorageError.
    """
    until = time.monotonic() + settings().export_seconds
    asking = {"p_user_id": caller.user_id, "p_batch_id": asked.batch_id}
    begun = rpc("begin_export", asking, seconds=PATIENCE_SECONDS)
    name = f"exports/{begun['agency_id']}/{asked.batch_id}/{uuid4()}.csv"
    table = Table(CALL_COLUMNS if asked.calls else CONTACT_COLUMNS, [] if asked.calls else begun["custom_fields"])
    rows, after = 0, -1 if asked.cursor is None else asked.cursor
    with storage.upload(name, "text/csv; charset=utf-8") as file:
        file.write(table.header())
        while True:
            page = _page(caller, asked, after)
            rows += len(page["rows"])
            file.write(table.lines(page["rows"]))
            if page["next"] is None or time.monotonic() > until:
                break
            after = page["next"]
    if rpc("count_erasures", {"p_agency_id": begun["agency_id"]}) != begun["erasures"]:
        storage.remove(name)
        raise ConflictError("A person was erased while the file was written. Please try again.", code="person_erased")
    return {
        "url": storage.link(name, file_name=_file_name(begun["name"], calls=asked.calls)),
        "expires_at": f"{datetime.now(UTC) + timedelta(seconds=storage.LINK_SECONDS):%Y-%m-%dT%H:%M:%SZ}",
        "rows": rows,
        "next_cursor": page["next"],
    }


class Table:
    """Rows of one kind as lines of CSV (RFC 4180), of which no spreadsheet takes a cell for a formula."""

    def __init__(self, columns: Sequence[str], custom_fields: Sequence[str] | None) -> None:
        """`custom_fields`: the names of those that have a column each; None where all of them share one, as JSON."""
        self.columns = columns
        self.custom_fields = custom_fields

    def header(self) -> bytes:
        """The first line, after the mark by which Excel knows UTF-8."""
        fields = ["custom_data"] if self.custom_fields is None else self.custom_fields
        named = [f"custom_data.{field}" if field in self.columns else field for field in fields]
        return "\ufeff".encode() + _csv([[*self.columns, *named]])

    def lines(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """One line a row. A row of contacts has its custom data as its last cell."""
        return _csv(self._cells(row) for row in rows)

    def _cells(self, row: Sequence[Any]) -> Iterator[object]:
        yield from row[: len(self.columns)]
        if self.custom_fields is None:
            yield row[-1]
        else:
            yield from (row[-1].get(field) for field in self.custom_fields)


def harmless(value: object) -> object:
    """A cell that shows what the value is and computes nothing: an apostrophe goes before what would begin a formula.

    A phone number's plus sign gets one as well. Without it a spreadsheet would make a number of it, and lose the plus.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return FORMULA.sub("'", text)


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(map(harmless, row) for row in rows)
    return lines.getvalue().encode()


def _page(caller: Caller, asked: ExportRequest, after: int) -> Any:
    function = "export_calls" if asked.calls else "export_contacts"
    return rpc_as(caller, function, {"p_batch_id": asked.batch_id, "p_after": after, "p_limit": PAGE_ROWS})


def _file_name(batch_name: str | None, *, calls: bool) -> str:
    """What the browser is told to call the file: ASCII alone travels in the header unharmed."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", batch_name or "batch").strip("-")[:MAX_FILE_NAME] or "batch"
    return f"{plain}-{'calls' if calls else 'contacts'}.csv"
