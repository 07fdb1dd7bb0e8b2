"""Queues of any length for a claim: who sleeps, who may not be called and who may, and the finished beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tests.factories import make_agency

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories import Agency, Connection

CLAIM = 30
PACE = 60 * CLAIM  # one second's share of it is a claim

BATCH = """
insert into public.call_batches (
  status, agency_id, campaign_id, agent_mapping_id, from_number, retry, calls_per_minute, max_concurrent, started_at,
  calling_hours
)
values (
  'processing', %(agency)s, %(campaign)s, %(agent)s, %(from)s, '{}', %(pace)s, 1000, batchline.clock(),
  case when %(ruled)s then
    '{"timezone": "recipient", "weekly": {"mon": [["09:00", "17:00"]]}, "holidays": []}'::jsonb
  end
)
returning id
"""
# Forty zones, every other one of them closed for hours to come.
ZONES = """
insert into public.call_batch_zones (batch_id, time_zones, agency_id, opens_at, closes_at)
select %(batch)s, array[zone.name], %(agency)s,
       batchline.clock() + case when zone.n %% 2 = 0 then '-1 h' else '10 h' end::interval,
       batchline.clock() + case when zone.n %% 2 = 0 then '12 h' else '20 h' end::interval
from (
  select name, row_number() over (order by name) as n
  from pg_catalog.pg_timezone_names where name ~ '^(America|Asia|Europe)/[A-Za-z_]+$' order by name limit 40
) as zone
"""
# Of ten, the first is on the do-not-call list and the second has been called today. `first`: all of these were due
# before everybody else. Who sleeps was due before all of them.
QUEUED = """
insert into public.campaign_contacts (
  agency_id, batch_id, position, phone_number, status, max_attempts, next_attempt_at, time_zones
)
select %(agency)s, %(batch)s, n, '+999' || lpad(n::text, 9, '0'), 'queued', 3,
       batchline.clock() - case
         when zone.number %% 2 = 1 then interval '3 h'
         when %(first)s and n / 40 %% 10 < 2 then interval '2 h'
         else interval '1 h'
       end,
       coalesce(zone.time_zones, '{}')
from generate_series(%(from)s, %(to)s - 1) as n
left join (
  select time_zones, row_number() over (order by time_zones) as number
  from public.call_batch_zones where batch_id = %(batch)s
) as zone on zone.number = n %% 40 + 1
"""
FORBIDDEN = """
insert into public.do_not_call (agency_id, phone_number)
select %(agency)s, '+999' || lpad(n::text, 9, '0')
from generate_series(%(from)s, %(to)s - 1) as n where n / 40 %% 10 = 0
"""
CALLED = """
insert into public.calls (status, agency_id, ultravox_call_id, to_number, accepted_at, ended_at, created_at, outcome)
select 'ended', %(agency)s, gen_random_uuid(), '+999' || lpad(n::text, 9, '0'), at, at, at, 'no_answer'
from generate_series(%(from)s, %(to)s - 1) as n
cross join (select batchline.clock() - interval '2 h' as at) as earlier
where n / 40 %% 10 = 1
"""
FINISHED = """
with finished as (
  insert into public.campaign_contacts (
    agency_id, batch_id, position, phone_number, status, max_attempts, attempts, outcome, reason, reason_at,
    completed_at
  )
  select %(agency)s, %(batch)s, 100000000 + n, '+998' || lpad(n::text, 9, '0'), 'completed', 3, 1, 'answered',
         'Answered', batchline.clock(), batchline.clock()
  from generate_series(1, %(finished)s) as n
  returning *
)
insert into public.calls (
  status, agency_id, batch_id, contact_id, agent_mapping_id, ultravox_call_id, to_number, from_number, attempt,
  max_duration_seconds, claimed_at, began_at, ended_at, outcome
)
select 'ended', agency_id, batch_id, id, %(agent)s, gen_random_uuid(), phone_number, '+12125550199', 1, 600,
       created_at, batchline.clock() - interval '1 h', batchline.clock(), 'answered'
from finished
"""


@dataclass
class Queue:
    """One agency's processing batch; `ruled` has calling hours, a do-not-call list and a cap of one call a day."""

    db: Connection
    agency: Agency
    batch_id: UUID
    ruled: bool
    first: bool
    length: int = 0

    @classmethod
    def made(cls, db: Connection, *, ruled: bool, first: bool = False, finished: int) -> Queue:
        """An empty queue with so many finished contacts beside it, each with its call."""
        cap = 1 if ruled else 1000
        agency = make_agency(db, max_calls_per_minute=PACE, max_concurrent_calls=1000, max_daily_calls_per_number=cap)
        known = {"agency": agency.id, "campaign": agency.campaign_id, "agent": agency.agent_mapping_id}
        known |= {"from": agency.from_number, "pace": PACE, "ruled": ruled}
        batch_id = cast("tuple[UUID]", db.execute(BATCH, known).fetchone())[0]
        if ruled:
            db.execute(ZONES, {"batch": batch_id, "agency": agency.id})
        db.execute(FINISHED, {**known, "batch": batch_id, "finished": finished})
        return cls(db, agency, batch_id, ruled, first)

    def grow(self, length: int) -> None:
        """Queues more contacts until there are so many."""
        known = {
            "agency": self.agency.id,
            "batch": self.batch_id,
            "from": self.length,
            "to": length,
            "first": self.first,
        }
        for statement in (QUEUED, FORBIDDEN, CALLED) if self.ruled else (QUEUED,):
            self.db.execute(statement, known)
        self.length = length
