"""What a create with 10,000 contacts costs over HTTP, beside its two floors, in the same run.

The floors: a bare `insert … select from jsonb_to_recordset` of the same rows into the same table, and the phone-number
library alone, in one thread, parsing, validating and placing the same numbers. One after the other, round by round, so
that a machine that is busy with something else is so for all three.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from psycopg.types.json import Jsonb

from benchmarks import library
from benchmarks.ground import ground
from benchmarks.report import table
from local import keys
from tests.calling import claims
from tests.factories import batch_body, fictional_numbers, make_agency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.ground import Ground
    from tests.factories import Agency

TARGET = 1.6
CONTACTS = 10_000

BATCH = """
insert into public.call_batches (agency_id, campaign_id, agent_mapping_id, from_number, retry)
values (%s, %s, %s, %s, '{}') returning id
"""
INSERT = """
insert into public.campaign_contacts (
  agency_id, batch_id, position, phone_number, first_name, custom_data, max_attempts
)
select %s, %s, row_number() over () - 1, listed.phone_number, listed.first_name, listed.custom_data, 3
from jsonb_to_recordset(%s) as listed (phone_number text, first_name text, custom_data jsonb)
"""


@dataclass(frozen=True)
class Round:
    """Seconds, each."""

    create: float
    insert: float
    library: float

    @property
    def ratio(self) -> float:
        """The create over the sum of its floors."""
        return self.create / (self.insert + self.library)


def run(rounds: int) -> tuple[str, bool]:
    """The section of the report, and whether the target was met. One round more is run first and forgotten."""
    people = [
        {"phone_number": number, "first_name": "Ada", "custom_data": {"plan": "pro", "seats": 3}}
        for number in fictional_numbers(CONTACTS)
    ]
    with ground() as place, httpx.Client(timeout=30) as client:
        measured = [_round(place, client, people) for _ in range(rounds + 1)][1:]
    ratio = median(one.ratio for one in measured)
    return _section(measured, ratio), ratio <= TARGET


def _round(place: Ground, client: httpx.Client, people: Sequence[dict[str, Any]]) -> Round:
    agency = make_agency(place.db)
    return Round(
        _seconds(lambda: _create(place, client, agency, people)),
        _seconds_of_insert(place, agency, people),
        _seconds(lambda: library.read(person["phone_number"] for person in people)),
    )


def _create(place: Ground, client: httpx.Client, agency: Agency, people: Sequence[dict[str, Any]]) -> None:
    token = keys.load_or_make(place.stack.folder / "keys.json").sign(claims(agency.owner, f"{place.stack.url}/auth/v1"))
    answer = client.post(
        f"{place.stack.env['FUNCTIONS_URL']}/calls-batch-create",
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())},
        json=batch_body(agency, people),
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["total_contacts"] == CONTACTS


def _seconds_of_insert(place: Ground, agency: Agency, people: Sequence[dict[str, Any]]) -> float:
    what = (agency.id, agency.campaign_id, agency.agent_mapping_id, agency.from_number)
    ((batch_id,),) = place.rows(BATCH, what)
    return _seconds(lambda: place.db.execute(INSERT, (agency.id, batch_id, Jsonb(people))))


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _section(measured: Sequence[Round], ratio: float) -> str:
    head = ("round", "create, ms", "bare insert, ms", "library alone, ms", "create / both")
    rows = [
        (number, *(f"{1000 * seconds:.0f}" for seconds in (one.create, one.insert, one.library)), f"{one.ratio:.2f}")
        for number, one in enumerate(measured, 1)
    ]
    verdict = "met" if ratio <= TARGET else "MISSED"
    return (
        f"## A create with {CONTACTS:,} contacts over HTTP\n\n{table(head, rows)}\n\n"
        f"Median: {ratio:.2f} times the sum of both floors; target at most {TARGET}: {verdict}."
    )
