"""What was wrong with a list, in words: a CSV that names row, column, problem and what to do."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, cast

from shared import storage
from shared.contact_imports import CONTENT_TYPE, report_object
from shared.csv_contacts import MAX_ATTEMPTS
from shared.csv_rows import SAVE_AS
from shared.database import rpc

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = ("row", "column", "problem", "what to do")
BEFORE_THE_FIRST = -1
CHUNKS_AT_ONCE = 20
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What csv_rows, csv_contacts and the database find: the problem (with its detail), and what to do.
FAULTS = {
    "no_number": ("is empty", "Fill in the phone number, with + and its country code"),
    "no_country_code": ("has no country code", "Write + and the country code before it, such as +1 213 555 0123"),
    "excel_number": (
        "was turned into {0} by a spreadsheet, and its last digits are lost",
        "Format the column as text, enter the numbers again and save as CSV",
    ),
    "extension": ("has an extension, which cannot be dialled", "Leave the extension out"),
    "invalid_number": (
        "is no phone number that can be dialled",
        "Correct it; a good one is +12135550123",
    ),
    "too_long": ("has more than {0} characters", "Shorten it"),
    "email": ("is no e-mail address", "Correct it, such as name@example.com, or leave it empty"),
    "timezone": ("is no IANA time zone", "Write one such as America/New_York, or leave it empty"),
    "max_attempts": (
        f"is no whole number from {MAX_ATTEMPTS[0]} to {MAX_ATTEMPTS[-1]}",
        "Write one, or leave it empty for that of the batch",
    ),
    "custom_data": ("the further columns take {0} bytes, more than 5 KB", "Shorten them, or leave columns out"),
    "custom_json": ("is no JSON object", 'Write one such as {{"plan": "gold"}}, or leave it empty'),
    "unstorable": ("holds a character that cannot be stored", "Remove control characters"),
    "short_row": ("the row has {0} cells where the header has {1}", "Give every row as many cells as the header"),
    "long_row": (
        "the row has {0} cells where the header has {1}",
        "Put quotation marks around a cell that holds the delimiter, or name the column",
    ),
    "not_utf8": ("the row is not UTF-8, perhaps Latin-1", f"The file: {SAVE_AS}"),
    "quotes": (
        "the quotation marks do not match",
        'Close each one; one that belongs to the text is written twice: ""',
    ),
    "erased": ("the person was erased on {0}", "Nothing: they are not called by a list that was asked for before"),
    "duplicate": ("the number is in the list already", "Nothing: it is called once, as its first row says"),
}


def write(import_id: str) -> int:
    """Write an import's report to object storage and return the number of its rows; 0: there is none.

    Written again, it is the same. Raises StorageError, DatabaseError.
    """
    pages = _pages(import_id)
    first = next(pages, None)
    if first is None:
        return 0
    count = 0
    with storage.upload(report_object(import_id), CONTENT_TYPE) as report:
        report.write(b"\xef\xbb\xbf" + _csv([HEADER]))
        while first:
            report.write(_csv([line(*fault) for fault in first]))
            count += len(first)
            first = next(pages, None)
    return count


def line(row: int, column: str | None, what: str, detail: object) -> tuple[object, ...]:
    """One line of the report."""
    problem, remedy = FAULTS[what]
    details = cast("list[object]", detail) if isinstance(detail, list) else [detail]
    return row, column or "", problem.format(*details), remedy.format()


def _pages(import_id: str) -> Iterator[list[list[Any]]]:
    after = BEFORE_THE_FIRST
    while True:
        params = {"p_import_id": import_id, "p_after": after, "p_limit": CHUNKS_AT_ONCE}
        chunks = rpc("list_contact_faults", params)
        if not chunks:
            return
        for chunk in chunks:
            yield sorted(chunk["faults"], key=_row)
        after = chunks[-1]["cursor"]


def _row(fault: list[Any]) -> int:
    return fault[0]


def _csv(lines: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def _harmless(cell: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
