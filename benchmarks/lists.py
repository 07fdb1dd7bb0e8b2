"""Lists that come as files: how fast and in how much memory a million rows are read, beside the phone-number library
alone; whether the report is exact; and that each row is read once though the reader is killed again and again.

The reader and what it is compared with are fresh processes on the same machine, one after the other. Of a hundred rows
three are at fault, in twelve ways by turns.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import phonenumbers

from benchmarks import library
from benchmarks.ground import ground
from benchmarks.optimum import Limits
from benchmarks.report import table
from local.processes import ROOT
from shared import contact_imports, lists, storage
from tests.factories import batch_body, fictional_area_codes

if TYPE_CHECKING:
    from benchmarks.ground import Ground

SPEED_TARGET = 0.6
MEMORY_TARGET_MB = 200
HEADER = ("Phone", "First Name", "Last Name", "E-Mail", "Timezone", "Max attempts", "Plan")
FAULT_EVERY = 100
KILL_SECONDS = (0.6, 2.0)
Line = tuple[str, ...]


def line_of(n: int) -> tuple[Line, tuple[str, str] | None]:
    """The n-th row and, where it is at fault, the column and the beginning of the problem that the report names."""
    number = number_of(n)
    good = (number, "Ann", f"Person {n}", f"p{n}@example.com", "", "", "gold")
    if n % FAULT_EVERY not in (7, 40, 77):
        return good, None
    faults: list[tuple[Line, tuple[str, str]]] = [
        (("", *good[1:]), ("Phone", "is empty")),
        ((number[2:], *good[1:]), ("Phone", "has no country code")),
        (("1.21355E+10", *good[1:]), ("Phone", "was turned into 1.21355E+10")),
        (("+1213555", *good[1:]), ("Phone", "is no phone number")),
        ((f"{number} ext 9", *good[1:]), ("Phone", "has an extension")),
        ((number, "A" * 256, *good[2:]), ("First Name", "has more than 255 characters")),
        ((*good[:3], "nobody", *good[4:]), ("E-Mail", "is no e-mail address")),
        ((*good[:4], "Mars/Base", *good[5:]), ("Timezone", "is no IANA time zone")),
        ((*good[:5], "12", "gold"), ("Max attempts", "is no whole number")),
        ((*good[:6], "x" * 6000), ("", "the further columns take")),
        (good[:3], ("", "the row has 3 cells")),
        ((number_of(n - 1), *good[1:]), ("", "the number is in the list already")),
    ]
    return faults[(n // 33) % len(faults)]


def number_of(n: int) -> str:
    """The n-th of distinct valid numbers; they never leave loopback."""
    codes = _area_codes()
    return f"+1{codes[n % len(codes)]}{2_000_000 + n // len(codes):07d}"


@cache
def _area_codes() -> tuple[int, ...]:
    """Those that give out the exchange 200; some of the rest are small islands."""
    return tuple(
        code for code in fictional_area_codes() if all(_is_valid(f"+1{code}200{line}") for line in ("0000", "9999"))
    )


def _is_valid(number: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def run(count: int, killed: int) -> tuple[str, bool]:
    """Read a list of `count` rows, and one of `killed` under kills. Report, and whether the targets were met."""
    with ground() as here:
        content, expected = _file(count)
        library = _process("library", str(count))
        import_id = _upload(here, content)
        size = len(content) / 1e6
        del content
        reader = _process("worker")
        exact = _is_exact(import_id, expected)
        kills, once = _under_kills(here, killed)
    ratio = (count / reader["seconds"]) / (count / library["seconds"])
    met = ratio >= SPEED_TARGET and reader["peak_mb"] <= MEMORY_TARGET_MB and exact and once
    shown = [
        (name, f"{count:,}", f"{side['seconds']:.1f}", f"{count / side['seconds']:,.0f}", f"{side['peak_mb']:.0f}")
        for name, side in (("phone-number library alone", library), ("import", reader))
    ]
    verdict = (
        f"Ratio {ratio:.2f}, target {SPEED_TARGET}; peak memory {reader['peak_mb']:.0f} MB, "
        f"at most {MEMORY_TARGET_MB}; "
        f"the report of {len(expected):,} faults is {'exact' if exact else 'not exact'}; after {kills} SIGKILLs in "
        f"{killed:,} rows each was read {'once' if once else 'NOT once'}: {'met' if met else 'missed'}."
    )
    how = f"{count:,} rows ({size:.0f} MB), 3 % of them at fault in 12 ways:"
    head = ("", "rows", "seconds", "rows/s", "peak MB")
    return "\n\n".join(("## Lists", how, table(head, shown), verdict)), met


def _file(count: int) -> tuple[bytes, list[tuple[int, str, str]]]:
    """The CSV, and row, column and problem of each fault."""
    text, expected = io.StringIO(), list[tuple[int, str, str]]()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for n in range(count):
        line, fault = line_of(n)
        writer.writerow(line)
        if fault:
            expected.append((n + 2, *fault))
    return text.getvalue().encode(), expected


def _upload(here: Ground, content: bytes) -> str:
    agency, _ = here.agency(Limits(calls_per_minute=60, max_concurrent=10))
    body = {name: value for name, value in batch_body(agency, 0).items() if name != "contacts"}
    body |= {"calls_per_minute": 30, "max_concurrent": 10}
    import_id = str(uuid4())
    statement = "select batchline.create_contact_import(%s, %s, %s, 3600)"
    here.rows(statement, (agency.owner, import_id, json.dumps(body)))
    url = storage.upload_link(contact_imports.list_object(import_id), contact_imports.CONTENT_TYPE)
    headers = {"Content-Type": contact_imports.CONTENT_TYPE}
    httpx.put(url, content=content, headers=headers, timeout=120, trust_env=False).raise_for_status()
    return import_id


def _is_exact(import_id: str, expected: list[tuple[int, str, str]]) -> bool:
    url = storage.link(contact_imports.report_object(import_id))
    text = httpx.get(url, timeout=60, trust_env=False).raise_for_status().content.decode("utf-8-sig")
    found = list(csv.reader(io.StringIO(text, newline="")))[1:]
    return len(found) == len(expected) and all(
        (int(row), column) == (want[0], want[1]) and problem.startswith(want[2])
        for (row, column, problem, _), want in zip(found, expected, strict=True)
    )


def _under_kills(here: Ground, count: int) -> tuple[int, bool]:
    """How often the reader was killed, and whether each row was read once."""
    content, expected = _file(count)
    import_id = _upload(here, content)
    chance = random.Random(count)  # noqa: S311 - when it dies
    kills = 0
    while True:
        with subprocess.Popen(_command("worker"), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            try:
                process.wait(timeout=chance.uniform(*KILL_SECONDS) + 1)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
        here.db.execute("update public.contact_imports set claimed_until = 'epoch' where claimed_by <> ''")
        ((status, batch_id),) = here.rows(
            "select status, batch_id from public.contact_imports where id = %s", (import_id,)
        )
        if status not in ("pending", "in_progress"):
            break
    wanted = [number_of(n) for n in range(count) if line_of(n)[1] is None]
    stored = here.rows(
        "select phone_number from public.campaign_contacts where batch_id = %s order by position", (batch_id,)
    )
    return kills, [number for (number,) in stored] == wanted and _is_exact(import_id, expected)


def _command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "benchmarks.lists", *arguments)


def _process(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(_command(*arguments), cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _main(side: str, *arguments: str) -> None:
    number_of(0)
    began = time.perf_counter()
    if side == "worker":
        answer: dict[str, Any] = lists.process(lambda: 3_600_000)
        assert [entry["status"] for entry in answer["results"]] == ["completed"], answer
    else:
        library.read(number_of(n) for n in range(int(arguments[0])))
    print(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": _peak_mb()}))


def _peak_mb() -> float:
    """VmHWM: getrusage would tell of the process that has started this one as well."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    _main(*sys.argv[1:])
