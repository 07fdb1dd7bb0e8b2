"""What must hold after everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import LiteralString

    from tests.factories import Connection

WRONG_COUNTERS = """
select batch.id, batch.status, counted.*, batch.total_contacts, batch.pending, batch.queued, batch.in_progress,
       batch.completed, batch.failed, batch.skipped
from public.call_batches as batch
cross join lateral (
  select count(*) as total_contacts,
         count(*) filter (where status = 'pending') as pending,
         count(*) filter (where status = 'queued') as queued,
         count(*) filter (where status = 'in_progress') as in_progress,
         count(*) filter (where status = 'completed') as completed,
         count(*) filter (where status = 'failed') as failed,
         count(*) filter (where status = 'skipped') as skipped
  from public.campaign_contacts
  where batch_id = batch.id
) as counted
where row(batch.total_contacts, batch.pending, batch.queued, batch.in_progress, batch.completed, batch.failed,
          batch.skipped)
  <> row(counted.total_contacts, counted.pending, counted.queued, counted.in_progress, counted.completed,
         counted.failed, counted.skipped)
"""

WRONG_ZONES = """
select zone.batch_id, zone.time_zones, zone.waiting, counted.waiting
from public.call_batch_zones as zone
cross join lateral (
  select count(*) as waiting
  from public.campaign_contacts
  where batch_id = zone.batch_id and time_zones = zone.time_zones and status in ('pending', 'queued')
) as counted
where zone.waiting <> counted.waiting
"""

# A contact is in progress exactly while one call to it is live, and that call is the one it names.
UNPAIRED = """
select contact.id, contact.status, contact.call_id, call.id, call.status
from (select * from public.campaign_contacts where status = 'in_progress') as contact
full join (select * from public.calls where is_live) as call on call.contact_id = contact.id
where contact.id is null or call.id is null or contact.call_id <> call.id
"""

FINISHED_BUT_OPEN = """
select id, status from public.call_batches
where status = 'processing' and pending + queued + in_progress = 0
"""


def assert_sound(connection: Connection) -> None:
    """The counters equal a GROUP BY, contacts and live calls agree, and nothing finished is left open."""
    for question in (WRONG_COUNTERS, WRONG_ZONES, UNPAIRED, FINISHED_BUT_OPEN):
        assert connection.execute(question).fetchall() == []


def query(connection: Connection, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    """The rows of a statement that a test puts together from its own words."""
    return connection.execute(cast("LiteralString", statement), arguments).fetchall()
