"""A dialler that redials on a time-out, as most do. It exists only here: to show that these tests can fail."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg

from local import migrate
from local.postgres import Server
from tests.chaos import answers, freezes, kills, news, provider
from tests.chaos.ground import second_side

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.chaos.ground import Ground, Side

# What nobody knows is taken for what did not happen: a dial without an answer, and one whose worker stopped for as long
# as its lease.
REDIAL = """
create or replace function batchline.mark_unknown(p_call public.calls, p_reason text, p_dial_result text default null)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls
  set status = 'not_placed', claimed_until = null, dial_result = p_dial_result, reason = p_reason
  where id = p_call.id and status = 'dialing';
  if found then
    perform batchline.log_call_event(p_call, 'not_placed', p_reason);
    perform batchline.requeue_contact(p_call, batchline.clock(), false, p_reason);
  end if;
end;
$$;
"""
SAME_FAULTS = {
    "accept_then_drop",
    "accept_then_500",
    "malformed_body",
    "slow_201",
    "late_accept",
    "drop_before_accept",
    "webhooks_lost",
    "lost_claim_calls",
    "lost_begin_dial",
    "lost_settle_dials",
}
SCENARIOS = [
    *kills.SCENARIOS,
    *freezes.SCENARIOS,
    *(one for one in (*provider.SCENARIOS, *news.SCENARIOS, *answers.SCENARIOS) if one.name in SAME_FAULTS),
]
"""Those that do not wait for a question, since this dialler asks none."""
SURE = [one for one in SCENARIOS if one.name in ("accept_then_drop", "accept_then_500", "slow_201", "kill_answered")]
"""Those in which it calls somebody twice whatever the seed, where nothing is heard by webhook."""


@contextmanager
def redialling_side(ground: Ground) -> Generator[Side]:
    """A side whose dialler redials; the programs are the same."""
    name = f"redialling_{uuid4().hex[:8]}"
    server = Server(ground.main.database_url)
    url = server.create(name)
    try:
        migrate.migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(REDIAL)
        with second_side(ground, name, url) as side:
            yield side
    finally:
        server.drop(name)
