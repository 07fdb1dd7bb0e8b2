"""What the database says about a batch, past every interface: the demo believes this rather than our own answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg.rows import class_row

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

# One statement, so one snapshot: what a commit between two of them changed would look like a wrong counter.
COUNTS = """
  select jsonb_build_object(
           'pending', batch.pending, 'queued', batch.queued, 'in_progress', batch.in_progress,
           'completed', batch.completed, 'failed', batch.failed, 'skipped', batch.skipped
         ) as counters,
         coalesce(
           (
             select jsonb_object_agg(grouped.status, grouped.people)
             from (
               select contact.status, count(*) as people
               from public.campaign_contacts as contact where contact.batch_id = batch.id group by contact.status
             ) as grouped
           ),
           '{}'
         ) as contacts
  from public.call_batches as batch
  where batch.id = %s
"""
STARTS = """
  select floor(extract(epoch from clock_timestamp()))::int - floor(extract(epoch from began_at))::int as seconds_ago,
         count(*)::int as calls
  from public.calls
  where batch_id = %s and began_at > clock_timestamp() - interval '60 s'
  group by 1
"""
NEWS = """
  select event.at, event.event, event.reason, event.detail ->> 'outcome' as outcome, call.duration_seconds,
         call.attempt, contact.max_attempts, contact.phone_number, actor.email as actor,
         nullif(concat_ws(' ', contact.first_name, contact.last_name), '') as name
  from public.call_events as event
  left join public.calls as call on call.id = event.call_id
  left join public.campaign_contacts as contact on contact.id = event.contact_id
  left join public.users as actor on actor.id = event.actor
  where event.batch_id = %s
    and (
      event.contact_id is null
      or event.event in ('ended', 'refused', 'throttled', 'unknown', 'adopted', 'late_acceptance')
    )
  order by event.id desc
  limit %s
"""
CALLS = """
  select id as call_id, status, attempt, began_at from public.calls where batch_id = %s order by began_at
"""
STRANGERS = """
  select count(*)::int, count(distinct ultravox_call_id)::int
  from public.calls where agency_id = %s and contact_id is null
"""
ZONES = """
  select contact.timezone as name, count(*)::int as people,
         count(*) filter (where contact.attempts > 0)::int as called,
         count(*) filter (where contact.status in ('pending', 'queued'))::int as waiting,
         (array_agg(contact.id order by contact.position) filter (where contact.status = 'queued'))[1] as next_id,
         zone.opens_at
  from public.campaign_contacts as contact
  join public.call_batch_zones as zone on zone.batch_id = contact.batch_id and zone.time_zones = contact.time_zones
  where contact.batch_id = %s and contact.timezone is not null
  group by contact.timezone, zone.time_zones, zone.opens_at
"""
WHEREABOUTS = "select id::text, timezone from public.campaign_contacts where batch_id = %s and timezone is not null"
RESUMED_AT = "select resumed_at from public.call_batches where id = %s"
OUTCOMES = """
  select coalesce(outcome, status), count(*)::int from public.campaign_contacts where batch_id = %s
  group by 1 order by 2 desc, 1
"""


@dataclass(frozen=True)
class Counts:
    """People by state, as the batch's counters have it and as its contacts are."""

    counters: dict[str, int]
    contacts: dict[str, int]

    @property
    def agree(self) -> bool:
        return Counter(self.counters) == Counter(self.contacts)  # a state nobody is in counts as 0


@dataclass(frozen=True)
class News:
    """Something that happened to the batch (then `phone_number` is None) or to somebody on its list."""

    at: datetime
    event: str
    reason: str | None
    outcome: str | None
    duration_seconds: int | None
    attempt: int | None
    max_attempts: int | None
    phone_number: str | None
    actor: str | None
    name: str | None


@dataclass(frozen=True)
class CallRow:
    """A call's row; `began_at` is None for a claim that was released."""

    call_id: UUID
    status: str
    attempt: int
    began_at: datetime | None


@dataclass(frozen=True)
class Zone:
    """The people of a batch in one time zone, and the opening of the window there that is open or comes next;
    `next_id` is the first on the list who is queued.
    """

    name: str
    people: int
    called: int
    waiting: int
    next_id: UUID | None
    opens_at: datetime


class Witness:
    """Looks at one stack's database as a superuser."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def counts(self, batch_id: str) -> Counts:
        with self._connection.cursor(row_factory=class_row(Counts)) as cursor:
            return cursor.execute(COUNTS, [batch_id]).fetchall()[0]

    def starts(self, batch_id: str) -> dict[int, int]:
        """Calls begun in the last 60 s, by how many turns of the clock's second ago: the current one is 0."""
        return dict(self._connection.execute(STARTS, [batch_id]).fetchall())

    def news(self, batch_id: str, limit: int) -> list[News]:
        """The latest, newest first."""
        with self._connection.cursor(row_factory=class_row(News)) as cursor:
            return cursor.execute(NEWS, [batch_id, limit]).fetchall()

    def calls(self, batch_id: str) -> list[CallRow]:
        """All calls of the batch, in the order in which they began."""
        with self._connection.cursor(row_factory=class_row(CallRow)) as cursor:
            return cursor.execute(CALLS, [batch_id]).fetchall()

    def zones(self, batch_id: str) -> list[Zone]:
        """The time zones that people of the batch were sent with."""
        with self._connection.cursor(row_factory=class_row(Zone)) as cursor:
            return cursor.execute(ZONES, [batch_id]).fetchall()

    def whereabouts(self, batch_id: str) -> dict[str, str]:
        """Time zones by the ids of the people who were sent with one."""
        return dict(self._connection.execute(WHEREABOUTS, [batch_id]).fetchall())

    def resumed_at(self, batch_id: str) -> datetime:
        """When the batch, which has started, was last resumed, else when it started."""
        return self._connection.execute(RESUMED_AT, [batch_id]).fetchall()[0][0]

    def strangers(self, agency_id: str) -> tuple[int, int]:
        """Rows of calls that are no batch's, and how many different calls they are."""
        return self._connection.execute(STRANGERS, [agency_id]).fetchall()[0]

    def outcomes(self, batch_id: str) -> dict[str, int]:
        """People by what came of calling them, the most frequent first."""
        return dict(self._connection.execute(OUTCOMES, [batch_id]).fetchall())
