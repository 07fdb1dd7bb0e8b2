"""Kinds of attacks that come to the processors: CSV lists, and the provider's pages of past calls."""

from __future__ import annotations

import json
import operator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx
from hypothesis import strategies as st

from shared import contact_imports, database, lists, storage, sync
from shared.inputs import UNSTORABLE
from tests.attacks.blocks import Outcome, explore
from tests.attacks.ground import Scene
from tests.attacks.strategies import fragments, texts
from tests.attacks.target import event_of
from tests.factories import batch_body, fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attacks.blocks import Block
    from tests.attacks.ground import Ground
    from tests.servers import Served

SECONDS = 60_000  # in milliseconds: what a run is told it has
PAGE = 5
QUOTE = '"'
DELIMITERS = (",", ";", "\t", "|")
ENDS = ("\n", "\r\n", "\r")
CODES = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7")
HEADERS = ("phone_number", "phone", "first_name", "email", "timezone", "max_attempts", "custom_data", "x", "", "sep=;")
CELLS = (
    *("+12135550123", "+1 213 555 0123", "=1+1", '"', '""', '"a', 'a"b', '"a""b"', "a\x00b", " ", "1.23E+10"),
    *(
        "America/New_York",
        '{"a":1}',
        '{"a":1e400}',
        '{"a":NaN}',
        "[" * 2000,
        '"\n\n"',
        "x" * 140_000,
        "é" * 300,
        "9" * 400,
    ),
)
BOMBS: dict[str, Callable[[], bytes]] = {
    "100,000 columns": lambda: _file([["phone_number", *map(str, range(100_000))], ["+12135550123", *["x"] * 100_000]]),
    "200,000 columns": lambda: _file([["phone_number", *map(str, range(200_000))], ["+12135550123", *["x"] * 200_000]]),
    "100,000 columns of one name": lambda: _file([["phone_number", *["x"] * 100_000]]),
    "100,000 empty columns": lambda: _file([["phone_number", *[""] * 100_000], ["+12135550123"]]),
    "100,000 delimiters": lambda: b"phone_number\n+12135550123" + b"," * 100_000,
    "a cell of 100 KB": lambda: _file([["phone_number", "x"], ["+12135550123", "x" * 100_000]]),
    "a cell of 1 MB": lambda: _file([["phone_number", "x"], ["+12135550123", "x" * 1_000_000]]),
    "a cell of 3 MB": lambda: _file([["phone_number", "x"], ["+12135550123", "x" * 3_000_000]]),
    "a quotation mark that nobody closes": lambda: b'phone_number,x\n+12135550123,"' + b"a,b\n" * 100_000,
    "5,000 of them": lambda: b"phone_number,x\n" + b'+12135550123,"a\n+12135550124,b\n' * 5_000,
    "half surrogate pairs": lambda: b"\xff\xfe" + "phone_number\n".encode("utf-16-le") + b"\x00\xd8\n\x00" * 1000,
    "half surrogate pairs in UTF-8": lambda: b"phone_number,x\n+12135550123,\xed\xa0\x80\n",
    "NULs": lambda: b"\x00" * 10_000,
    "NULs in cells": lambda: b"phone_number,x\n" + b"+12135550123,\x00\x00\n" * 1000,
    "100,000 empty lines": lambda: b"phone_number\n" + b"\n" * 100_000,
    "a header of 2 MB": lambda: b"phone_number," + b"x" * 2_000_000 + b"\n+12135550123,a\n",
    "nothing": lambda: b"",
    "three marks": lambda: b"\xef\xbb\xbf" * 3 + b"phone_number\n+12135550123\n",
    "only a mark": lambda: b"\xef\xbb\xbf",
    "one line": lambda: b"phone_number",
}


def _file(rows: list[list[str]]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


def files() -> st.SearchStrategy[bytes]:
    """CSV, or nearly: any cells, delimiters, line ends and encodings, some of it cut off."""
    cell = st.sampled_from(CELLS) | texts()
    row = st.lists(cell, max_size=5)
    names = st.lists(st.sampled_from(HEADERS) | cell, max_size=4, unique=True)
    head = st.one_of(st.just(["first_name", "timezone", "x"]), st.just(["custom_data", "email"]), names)
    people = st.lists(st.tuples(st.integers(0, 90).map(_number), st.lists(cell, min_size=4, max_size=4)), max_size=6)
    fit = st.builds(_fitting, head, people)
    loose = st.builds(_below, head, st.lists(row, max_size=6))

    def written(rows: list[list[str]], delimiter: str, end: str, code: str, cut: int) -> bytes:
        text = end.join(delimiter.join(cells) for cells in rows)
        raw = text.encode(code, "surrogatepass" if code.startswith("utf-8") else "replace")
        return raw[: len(raw) - cut]

    ways = (*map(st.sampled_from, (DELIMITERS, ENDS, CODES)), st.sampled_from((0, 0, 0, 1, 3)))
    made = st.builds(written, loose, *ways)
    good = st.builds(written, fit, st.just(","), st.just("\n"), st.just("utf-8"), st.just(0))
    return st.one_of(
        good, good, good, made, made, st.binary(max_size=200), st.sampled_from([*BOMBS.values()]).map(operator.call)
    )


def _below(head: list[str], rows: list[list[str]]) -> list[list[str]]:
    return [["phone_number", *head], *rows]


def _number(place: int) -> str:
    return fictional_numbers(1, place)[0]


def _fitting(head: list[str], people: list[tuple[str, list[str]]]) -> list[list[str]]:
    """Rows as long as their header, each cell in quotation marks that match."""
    rows = [[number, *cells[: len(head)]] for number, cells in people]
    return [[f'"{cell.replace(QUOTE, QUOTE * 2)}"' for cell in row] for row in _below(head, rows)]


def run_lists(block: Block, ground: Ground) -> Outcome:
    """Each file is uploaded to a batch of its own; 200 stands for a list that was read, 400 for a refused one."""
    outcome, scene = Outcome(block), Scene(ground, block.operation)
    agency = scene.ours.world.agency
    body = {**batch_body(agency, calls_per_minute=60, max_concurrent=10, calling_hours=None), "contacts": None}

    def attack(content: bytes) -> None:
        params = {"p_user_id": agency.owner, "p_upload": body, "p_seconds": 3600, "p_import_id": uuid4()}
        import_id: str = database.rpc("create_contact_import", params)["import_id"]
        url = storage.upload_link(contact_imports.list_object(import_id), contact_imports.CONTENT_TYPE)
        told = {"Content-Type": contact_imports.CONTENT_TYPE}
        httpx.put(url, content=content, headers=told, trust_env=False, timeout=30).raise_for_status()
        entry = _entry_of(lists.process(lambda: SECONDS), "import_id", import_id)
        _judge(outcome, entry, lists.FAILURE, content)

    explore(block, attack, files())
    return _ended(outcome, scene)


def run_pages(block: Block, ground: Ground, provider: Served) -> Outcome:
    """Each page is the only one of a list of calls; 200 stands for an import that ended, 400 for one that could not.

    A page whose text is JSON may not hold an import up, whatever one of its calls holds.
    """
    outcome, scene = Outcome(block), Scene(ground, block.operation)
    agency = scene.ours.world.agency
    ground.store(agency.id, "ultravox-api-key", f"key-{agency.id}")

    def attack(place: int, way: str, fragment: str, tail: str) -> None:
        content, good = _page(place, way, fragment, tail)
        provider.answer = lambda _: (200, content)
        params = {"p_user_id": agency.owner, "p_date_from": None, "p_date_to": None}
        job_id: str = database.rpc("create_historical_sync_job", params)["job_id"]
        entry = _entry_of(sync.process(lambda: SECONDS, agency_id=str(agency.id)), "job_id", job_id)
        _judge(outcome, entry, sync.FAILURE, content)
        if entry.get("status") != "completed" and tail == "" and _is_json(content):
            outcome.blame(f"an import was held up: {entry.get('error')}", content)
        if entry.get("status") == "completed" and entry["imported"] < len(good):
            outcome.blame(f"only {entry['imported']} of {len(good)} good calls were imported", content)
        if entry.get("status") not in ("completed", "failed"):
            database.rpc("cancel_sync_job", {"p_user_id": agency.owner, "p_job_id": job_id})

    ways = st.sampled_from([*event_of({})["call"], "metadata.call_id", "medium.twilio", "sipDetails.terminationReason"])
    tails = st.sampled_from(("", "", "", "", "", "total", "next", "cut"))
    explore(block, attack, st.integers(0, PAGE - 1), ways, fragments(), tails)
    return _ended(outcome, scene)


def _page(place: int, way: str, fragment: str, tail: str) -> tuple[bytes, list[str]]:
    """A page whose call at the place has the fragment, and the ids of its other calls. `tail` bends the page itself."""
    calls = [event_of({"callId": str(uuid4())})["call"] for _ in range(PAGE)]
    good = [call["callId"] for at, call in enumerate(calls) if at != place]
    holder: Any = calls[place]
    *steps, last = way.split(".")
    for step in steps:
        holder = holder[step]
    holder[last] = "\x00hole"
    page: dict[str, Any] = {"results": calls, "next": None, "total": PAGE}
    if tail in ("total", "next"):
        page[tail] = "\x00other"
    text = json.dumps(page).replace('"\\u0000hole"', fragment)
    link = json.dumps(f"http://127.0.0.1/api/calls?cursor={quote(fragment[:200], errors='replace')}")
    text = text.replace('"\\u0000other"', fragment if tail == "total" else link)
    raw = text.encode("utf-8", "surrogatepass")
    return (raw[:-20] if tail == "cut" else raw), good


def _is_json(content: bytes) -> bool:
    """As strictly as the standard has it."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(content, parse_constant=refuse, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _entry_of(answer: dict[str, object], name: str, value: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = answer.get("results", [])  # pyright: ignore[reportAssignmentType]
    found = [entry for entry in entries if entry[name] == value]
    return found[0] if found else {}


def _judge(outcome: Outcome, entry: dict[str, Any], failure: str, content: bytes) -> None:
    """A run says what became of each, in a sentence for the agency where it is no success."""
    outcome.statuses[200 if entry.get("status") == "completed" else 400] += 1
    error = entry.get("error")
    if not entry:
        outcome.blame("nobody took it", content)
    elif error == failure:
        outcome.blame("it could not be read, and that is all that is said", content)
    elif error is not None and (" " not in error or UNSTORABLE.search(error)):
        outcome.blame(f"no sentence: {error!r}", content)


def _ended(outcome: Outcome, scene: Scene) -> Outcome:
    for table in scene.what_changed():
        outcome.blame(f"another agency's rows of {table} have changed", b"")
    return outcome
