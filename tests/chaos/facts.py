"""What a run came to, by the oracle of the provider and by the rows; nothing that a worker says of itself counts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tests.sql.checks import FINISHED_BUT_OPEN, UNPAIRED, WRONG_COUNTERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tests.dialer.harness import Row, World

FINAL = {"completed", "failed", "skipped"}
ENDS_IT = {"answered", "voicemail", "rejected", "invalid_number"}
"""After such a call nobody may be called again."""

# Of every call that lost its worker or its answer: from its beginning, or from when the fault was over, until we knew.
TO_SETTLE = """
select extract(epoch from known.at - greatest(coalesce(call.began_at, call.claimed_at), %s::timestamptz))::float8
  as seconds
from public.calls as call
cross join lateral (
  select min(at) as at from public.call_events
  where call_id = call.id
    and (event = 'unknown' or event = 'released' and reason = 'Its worker stopped before it was begun')
) as lost
cross join lateral (
  select min(at) as at from public.call_events
  where call_id = call.id and at >= lost.at
    and event in ('released', 'accepted', 'adopted', 'ended', 'not_placed', 'refused', 'throttled')
) as known
where call.agency_id = %s and lost.at is not null
"""


ASLEEP = "select id::text as id from public.calls where agency_id = %s and began_at <= %s"


@dataclass(frozen=True)
class Facts:
    """`again`: calls that must not have been; `wrong`: contacts that were lost, and rows that do not fit together;
    `late`: calls placed by a worker that woke too late; `settled_in`: the longest time of the run, in seconds.
    """

    accepted: int
    again: tuple[str, ...]
    wrong: tuple[str, ...]
    late: tuple[str, ...]
    leaked: int
    unknown: int
    alarms: int
    settled_in: float


def gather(world: World, mended_at: datetime | None, slept: tuple[datetime, datetime] | None) -> Facts:
    """The facts of a world in which everything should be over."""
    contacts = world.rows("select * from public.campaign_contacts where agency_id = %s", world.agency.id)
    accepted = world.dialled()
    dialled = _by_contact(accepted)
    again = [problem for contact in contacts for problem in _calls_again(contact, dialled)]
    stats = world.stats()
    assert len(again) >= stats["double_dials"], "the oracle saw what we did not"
    wrong = [problem for contact in contacts if (problem := _what_is_wrong(contact, dialled))]
    times = world.rows(TO_SETTLE, mended_at, world.agency.id)
    live = world.value("select count(*) from public.calls where agency_id = %s and is_live", world.agency.id)
    return Facts(
        accepted=stats["accepted"],
        again=tuple(again),
        wrong=(*wrong, *_unsound(world)),
        late=tuple(_late(world, accepted, *slept)) if slept else (),
        leaked=live + stats["live"],
        unknown=sum(contact["outcome"] == "unknown" for contact in contacts),
        alarms=_alarms(world),
        settled_in=max((_seconds(row) for row in times), default=0.0),
    )


def _seconds(row: Row) -> float:
    """What was known before the fault was over took no time."""
    return float("inf") if row["seconds"] is None else max(0.0, row["seconds"])


def _late(world: World, accepted: Sequence[Row], asleep_since: datetime, awake_since: datetime) -> list[str]:
    """What was begun before a long sleep and placed after it."""
    begun = {row["id"] for row in world.rows(ASLEEP, world.agency.id, asleep_since)}
    return [
        f"…{call['to'][-4:]} was called by a worker that had slept since it began the call"
        for call in accepted
        if call["call_id"] in begun and call["accepted_at"] >= awake_since.timestamp()
    ]


def _by_contact(calls: Sequence[Row]) -> dict[str, list[Row]]:
    """The provider's calls, in the order of their acceptance."""
    ordered = sorted(calls, key=lambda call: (call["contact_id"], call["index"]))
    return {contact_id: list(of_contact) for contact_id, of_contact in groupby(ordered, lambda c: c["contact_id"])}


def _calls_again(contact: Row, dialled: dict[str, list[Row]]) -> list[str]:
    """Each call that came too soon, after the last word, under an id used before, or beyond the number of attempts."""
    calls = dialled.get(str(contact["id"]), [])
    number = contact["phone_number"][-4:]
    found: list[str] = []
    for place, call in enumerate(calls):
        for earlier in calls[:place]:
            if earlier["ended_monotonic"] is None or earlier["ended_monotonic"] > call["accepted_monotonic"]:
                found.append(f"…{number} was called while it was being called")
            elif earlier["outcome"] in ENDS_IT:
                found.append(f"…{number} was called again after {earlier['outcome']}")
            elif earlier["call_id"] == call["call_id"]:
                found.append(f"…{number} was called twice by one call")
            else:
                continue
            break
        else:
            if place >= contact["max_attempts"]:
                found.append(f"…{number} was called more often than it may be")
    return found


def _what_is_wrong(contact: Row, dialled: dict[str, list[Row]]) -> str | None:
    """Whether a contact was forgotten, or stands for something that did not happen."""
    calls = dialled.get(str(contact["id"]), [])
    answered = any(call["outcome"] == "answered" for call in calls)
    said = f"…{contact['phone_number'][-4:]} is {contact['status']} ({contact['outcome']}: {contact['reason']})"
    if contact["status"] not in FINAL or not contact["reason"]:
        return said
    if contact["outcome"] == "unknown":
        return None
    if answered != (contact["status"] == "completed"):
        return f"{said}, and the provider says {'answered' if answered else 'never answered'}"
    if contact["status"] == "failed" and len(calls) < contact["max_attempts"]:
        return f"{said} after {len(calls)} calls"
    return None


def _alarms(world: World) -> int:
    query = "select count(*) from public.call_events where agency_id = %s and event = 'late_acceptance'"
    return world.value(query, world.agency.id)


def _unsound(world: World) -> list[str]:
    """Counters that are no GROUP BY, contacts and live calls that do not agree, batches that should be over."""
    checks: tuple[Any, ...] = (WRONG_COUNTERS, UNPAIRED, FINISHED_BUT_OPEN)
    return [f"{found}" for check in checks for found in world.rows(check)]
