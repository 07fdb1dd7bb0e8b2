"""What the hot functions read does not grow with the past: counted in rows, on tables without statistics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from benchmarks.queues import CLAIM, Queue
from tests.factories import forbid_number
from tests.sql import payloads
from tests.sql.importing import Import, past_calls
from tests.sql.listing import Listed
from tests.sql.telling import listen
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import LiteralString

    from tests.factories import Connection


PAST = 20_000

FINISHED = """
insert into public.campaign_contacts (
  agency_id, batch_id, position, phone_number, status, max_attempts, attempts, outcome, reason, reason_at, completed_at
)
select %(agency)s, %(batch)s, 1000 + n, '+1646' || lpad(n::text, 7, '0'), 'completed', 3, 1, 'answered', 'Answered',
       batchline.clock(), batchline.clock()
from generate_series(1, %(count)s) as n
"""
WAITING = """
insert into public.campaign_contacts (
  agency_id, batch_id, position, phone_number, status, max_attempts, next_attempt_at
)
select %(agency)s, %(batch)s, 100000 + n, '+1718' || lpad(n::text, 7, '0'), 'queued', 3, batchline.clock()
from generate_series(1, %(count)s) as n
"""
SLEEPING = """
insert into public.campaign_contacts (
  agency_id, batch_id, position, phone_number, status, max_attempts, next_attempt_at, time_zones
)
select %(agency)s, %(batch)s, 100000 + n, '+1719' || lpad(n::text, 7, '0'), 'queued', 3,
       batchline.clock() - interval '1 h', '{Asia/Kathmandu}'
from generate_series(1, %(count)s) as n
"""
ENDED = """
insert into public.calls (
  status, agency_id, batch_id, contact_id, agent_mapping_id, ultravox_call_id, to_number, from_number, attempt,
  max_duration_seconds, claimed_at, began_at, ended_at, outcome
)
select 'ended', agency_id, batch_id, id, %(agent)s, gen_random_uuid(), phone_number, '+12125550199', 1, 600,
       created_at, batchline.clock() - interval '1 h', batchline.clock(), 'answered'
from public.campaign_contacts where agency_id = %(agency)s and status = 'completed'
"""
IMPORTED = """
insert into public.historical_sync_jobs (
  agency_id, date_to, status, created_at, started_at, completed_at
)
select %(agency)s, batchline.clock(), 'completed', batchline.clock() - n * interval '1 h', batchline.clock(),
       batchline.clock()
from generate_series(1, %(count)s) as n
"""
READ_LISTS = """
insert into public.contact_imports (
  agency_id, batch_id, expires_at, etag, size_bytes, status, started_at, completed_at
)
select %(agency)s, %(batch)s, batchline.clock(), 'e', 100, 'completed', batchline.clock(), batchline.clock()
from generate_series(1, %(count)s) as n
"""
LISTED = """
insert into public.do_not_call (agency_id, phone_number)
select %(agency)s, '+1929' || lpad((n + 10000)::text, 7, '0') from generate_series(1, %(count)s) as n
"""
TOLD = """
insert into public.notices (
  agency_id, batch_id, event, data, status, next_attempt_at, created_at, finished_at
)
select %(agency)s, %(batch)s, 'batch.paused', '{}', 'delivered', batchline.clock(), batchline.clock(), batchline.clock()
from generate_series(1, %(count)s) as n
"""
UPLOADED = """
insert into public.contact_imports (agency_id, batch_id, expires_at, etag, size_bytes)
select %(agency)s, %(batch)s, batchline.clock(), 'e', 100 from generate_series(1, %(count)s) as n
"""
# Of tables what sequential scans returned, of indexes every entry read, used or not.
ROWS_READ = """
select sum(pg_catalog.pg_stat_get_xact_tuples_returned(oid)) from pg_catalog.pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')
"""


@pytest.fixture(scope="module")
def past(new_database: Callable[[], str]) -> Iterator[World]:
    """A batch with a long past, six people who are being called in every way, and as many who wait."""
    with psycopg.connect(new_database(), autocommit=True) as connection:
        for table in (
            *("calls", "campaign_contacts", "call_events", "call_batches", "agencies"),
            *("historical_sync_jobs", "historical_sync_failures", "do_not_call", "notices"),
            "contact_imports",
        ):
            connection.execute(sql.SQL("alter table {} set (autovacuum_enabled = off)").format(sql.Identifier(table)))
        world = World(connection)
        listen(world)
        batch_id = world.processing(10)
        for turn in range(8):  # plans are made while the tables are small, and kept
            world.tell({"callId": str(uuid4()), "created": world.time()})
            world.claim(0)
            claim_notices(world)
            world.verb("importing_agencies")
            list_notices(world)
            job = Import.claimed(world)
            job.record(past_calls(1), then="more")
            job.cancel()
            world.forbid([f"+1929000{9990 + turn}"])
        arguments = {
            "agency": world.agency.id,
            "batch": batch_id,
            "agent": world.agency.agent_mapping_id,
            "count": PAST,
        }
        for statement in (FINISHED, WAITING, ENDED, IMPORTED, READ_LISTS, LISTED, TOLD):
            connection.execute(statement, arguments)
        calls = world.dial(6)
        world.accept(calls[:3])
        world.settle(calls[3], "unknown", reason="lost")
        yield world


def rows_read(world: World) -> int:
    row = world.connection.execute(ROWS_READ).fetchone()
    return int(cast("tuple[Any]", row)[0])


def live(world: World, status: str) -> UUID:
    rows = [row for row in world.all("calls") if row["status"] == status and row["contact_id"]]
    return UUID(rows[0]["id"])


def word(name: str) -> Callable[[World], Callable[[], object]]:
    def prepare(world: World) -> Callable[[], object]:
        row = world.call(live(world, "ringing"))
        told = payloads.answered(row, UUID(row["ultravox_call_id"]))[name]
        return lambda: world.verb("ingest_event", p_agency_id=world.agency.id, p_event=f"call.{name}", p_call=told)

    return prepare


def settle(result: str) -> Callable[[World], Callable[[], object]]:
    def prepare(world: World) -> Callable[[], object]:
        call_id = live(world, "dialing")
        return lambda: world.settle(call_id, result, ultravox_call_id=uuid4(), reason="why")

    return prepare


def stranger(world: World) -> Callable[[], object]:
    return lambda: world.tell({"callId": str(uuid4()), "created": world.time(), "metadata": {"call_id": str(uuid4())}})


def begin(world: World) -> Callable[[], object]:
    claimed = world.claim(2)
    return lambda: world.begin(claimed)


def page(status: str | None) -> Callable[[World], Callable[[], object]]:
    def prepare(world: World) -> Callable[[], object]:
        batch_id = world.all("call_batches")[0]["id"]
        deep = {"p_contact_limit": 20, "p_contact_offset": 0, "p_contact_cursor": 0 if status else PAST // 2}
        return lambda: world.ask(
            world.agency.member, "get_call_batch", p_batch_id=batch_id, p_contact_status=status, **deep
        )

    return prepare


def answer(world: World) -> Callable[[], object]:
    call_id = live(world, "unknown")
    return lambda: world.answer(call_id, "none")


def program(name: str, **arguments: object) -> Callable[[World], Callable[[], object]]:
    def prepare(world: World) -> Callable[[], object]:
        made = {"p_name": "CRM", "p_secret_hash": "ab" * 32, "p_seed": "seed"}
        key = world.verb("create_api_key", p_user_id=world.agency.owner, **made)
        known = {"p_api_key": key["api_key"], "p_secret_hash": "ab" * 32, **arguments}
        if name != "list_batch_calls":
            known["p_batch_id"] = world.all("call_batches")[0]["id"]
        return lambda: world.verb(name, **known)

    return prepare


def trail(world: World) -> Callable[[], object]:
    contact_id = world.call(live(world, "unknown"))["contact_id"]
    return lambda: world.verb("contact_trail", p_contact_id=contact_id)


def meant(world: World) -> Callable[[], object]:
    call_id = live(world, "ringing")
    return lambda: world.verb("contacts_of", p_id=call_id)


def import_page(world: World) -> Callable[[], object]:
    """A stranger's call, one that is known already and one of ours, with news."""
    job, known = Import.claimed(world), past_calls(1)
    job.record(known, then="more")
    row = world.call(live(world, "ringing"))
    ours = payloads.answered(row, UUID(row["ultravox_call_id"]))["billed"]
    return lambda: job.record([*past_calls(1), *known, ours], at="more", then="much more")


def claim_notices(world: World) -> object:
    return world.verb("claim_notices", p_worker="worker", p_batches=50, p_length=20, p_lease_seconds=0.0)


def list_notices(world: World, status: str | None = None) -> object:
    page = {"p_status": status, "p_batch_id": None, "p_limit": 20, "p_cursor": None}
    return world.ask(world.agency.member, "list_notices", **page)


def claim_import(world: World) -> Callable[[], object]:
    return Import(world).claim


def claim_list(world: World) -> Callable[[], object]:
    listed = Listed(world)
    listed.arrive()
    arguments = {"p_worker": "w", "p_lease_seconds": 90, "p_agency_id": world.agency.id}
    return lambda: world.verb("claim_contact_import", **arguments)


PREPARE: dict[str, Callable[[World], Callable[[], object]]] = {
    "claim_calls": lambda world: lambda: world.claim(4),
    "begin_dial": begin,
    "settle_dials accepted": settle("accepted"),
    "settle_dials unreachable": settle("unreachable"),
    "settle_dials unknown": settle("unknown"),
    "ingest_event joined": word("joined"),
    "ingest_event ended": word("ended"),
    "apply_call of a stranger": stranger,
    "record_sync_page": import_page,
    "claim_sync_jobs": claim_import,
    "claim_contact_import of an agency": claim_list,
    "importing_agencies": lambda world: lambda: world.verb("importing_agencies"),
    "create_historical_sync_job": lambda world: lambda: Import(world),
    "get_sync_status": lambda world: lambda: world.ask(world.agency.member, "get_sync_status"),
    "get_status": lambda world: lambda: world.ask(world.agency.member, "get_status"),
    "claim_notices": lambda world: lambda: claim_notices(world),
    "list_notices": lambda world: lambda: list_notices(world),
    "list_notices that failed": lambda world: lambda: list_notices(world, "failed"),
    "sweep_calls": lambda world: world.sweep,
    "sweep_calls of an agency": lambda world: (
        lambda: world.verb("sweep_calls", p_limit=100, p_give_up_seconds=86400, p_agency_id=world.agency.id)
    ),
    "dialling_agencies": lambda world: lambda: world.verb("dialling_agencies"),
    "claim_questions": lambda world: world.questions,
    "record_answers": answer,
    "list_call_batches": lambda world: (
        lambda: world.ask(
            world.agency.member, "list_call_batches", p_status=None, p_campaign_id=None, p_limit=25, p_offset=0
        )
    ),
    "add_to_do_not_call": lambda world: lambda: world.forbid(["+17180000100", "+19292222222"]),
    "opt_out": lambda world: partial(world.opt_out, live(world, "ringing")),
    "list_do_not_call from deep inside": lambda world: (
        lambda: world.ask(world.agency.member, "list_do_not_call", p_limit=25, p_cursor=PAST // 2)
    ),
    "vitals": lambda world: lambda: world.verb("vitals"),
    "vitals of an agency": lambda world: lambda: world.verb("vitals", p_agency_id=world.agency.id),
    "contact_trail": trail,
    "get_contact": lambda world: partial(
        world.ask, world.agency.member, "get_contact", p_contact_id=world.call(live(world, "ringing"))["contact_id"]
    ),
    "contacts_of a call": meant,
    "contacts_of a number": lambda world: (
        lambda: world.verb("contacts_of", p_phone_number="+16460000042", p_agency_id=world.agency.id)
    ),
    "get_call_batch from deep inside": page(None),
    "get_call_batch of one status": page("in_progress"),
    "get_batch_call": program("get_batch_call"),
    "list_batch_calls": program("list_batch_calls", p_limit=20, p_offset=0, p_sort_by="created_at", p_ascending=False),
    "list_batch_call_tasks": program("list_batch_call_tasks", p_limit=20, p_offset=0),
    "update_batch_call": program("update_batch_call", p_changes={"name": "other"}),
}


@pytest.mark.parametrize("name", PREPARE)
def test_the_past_is_not_read_by(past: World, name: str) -> None:
    with past.connection.transaction(force_rollback=True):
        act = PREPARE[name](past)
        before = rows_read(past)
        act()
        read = rows_read(past) - before

    assert 0 < read < 250


def test_the_lists_of_others_are_not_read_by_an_agencys_run(past: World) -> None:
    other = World(past.connection)
    arguments = {"p_worker": "w", "p_lease_seconds": 90, "p_agency_id": past.agency.id}
    with past.connection.transaction(force_rollback=True):
        for _ in range(8):  # a plan that is kept would be made by now
            assert past.verb("claim_contact_import", **arguments) is None
        given = {"agency": other.agency.id, "batch": other.processing(1), "count": PAST}
        past.connection.execute(UPLOADED, given)
        Listed(past).arrive()
        before = rows_read(past)
        assert past.verb("claim_contact_import", **arguments) is not None
        assert past.verb("claim_contact_import", **arguments) is None
        read = rows_read(past) - before

    assert 0 < read < 250


def test_those_who_sleep_at_the_head_of_the_queue_are_not_read(past: World) -> None:
    hours: dict[str, Any] = {"timezone": "recipient", "weekly": {"mon": [["00:00", "24:00"]]}, "holidays": []}
    zones = (("+12135550100", ["Etc/UTC"]), ("+12135550101", ["Asia/Kathmandu"]))
    notes = "update public.call_batch_zones set opens_at = %s, closes_at = %s where batch_id = %s and time_zones = %s"
    with past.connection.transaction(force_rollback=True):
        people = [{"phone_number": number, "time_zones": of_one} for number, of_one in zones]
        batch_id = past.processing(people, calling_hours=hours)
        given = {"agency": past.agency.id, "batch": batch_id, "count": PAST}
        past.connection.execute(SLEEPING, given)
        past.connection.execute(notes, [past.time(-60), past.time(3600), batch_id, ["Etc/UTC"]])
        past.connection.execute(notes, [past.time(3600), past.time(7200), batch_id, ["Asia/Kathmandu"]])
        before = rows_read(past)
        numbers = [order["to_number"] for order in past.claim_answer(4)["calls"] if order["batch_id"] == str(batch_id)]
        read = rows_read(past) - before

    assert numbers == ["+12135550100"]
    assert 0 < read < 300


# Autovacuum may have analysed the template by now, which then says that its tables are empty: another case, that lasts
# until autovacuum has seen the rows.
FORGET_STATISTICS = """
    update pg_catalog.pg_class set reltuples = -1, relpages = 0
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')
"""


def test_without_statistics_and_with_plans_of_empty_tables_a_claim_reads_the_heads_of_queues(
    connection: Connection,
) -> None:
    connection.execute(FORGET_STATISTICS)
    queue = Queue.made(connection, ruled=True, finished=0)
    world = World(connection, queue.agency)
    queue.grow(2)
    assert world.claim(CLAIM) == []  # one sleeps, one is on the do-not-call list
    queue.grow(5000)
    before = rows_read(world)

    assert len(world.claim(CLAIM)) == CLAIM
    assert 0 < rows_read(world) - before < 5000


def test_who_waits_behind_those_that_a_claim_sets_aside_is_not_read(past: World) -> None:
    with past.connection.transaction(force_rollback=True):
        numbers = [f"+1213555{n:04}" for n in range(100, 110)]
        batch_id = past.processing([{"phone_number": number} for number in numbers])
        past.connection.execute(
            "update public.campaign_contacts set next_attempt_at = now() - interval '1 h' where batch_id = %s",
            [batch_id],
        )
        for number in numbers[:-1]:
            forbid_number(past.connection, past.agency.id, number)
        before = rows_read(past)
        claimed = [order["to_number"] for order in past.claim_answer(4)["calls"] if order["batch_id"] == str(batch_id)]
        read = rows_read(past) - before

    assert claimed == numbers[-1:]
    assert 0 < read < 1000


def test_a_claim_looks_into_open_queues_by_the_partial_index_alone(past: World) -> None:
    row = past.connection.execute(
        "select prosrc from pg_catalog.pg_proc where oid = 'batchline.dial_candidates'::regproc"
    ).fetchone()
    source = cast("tuple[str]", row)[0]
    given = {"p_agency_id": f"'{past.agency.id}'::uuid", "p_now": "now()", "p_limit": "30", "p_more": "50"}
    given |= {"p_free": "'{}'::uuid[]", "p_held": "'{}'::uuid[]"}
    for name, value in given.items():
        source = source.replace(name, value)
    with past.connection.transaction(force_rollback=True):
        # as claim_calls has it, and the function itself
        for setting in ("seqscan", "hashjoin", "mergejoin", "sort", "bitmapscan"):
            past.connection.execute(sql.SQL("set local {} = off").format(sql.Identifier(f"enable_{setting}")))
        statement = sql.SQL("explain ") + sql.SQL(cast("LiteralString", source.strip().removesuffix(";")))
        plan = [str(line) for (line,) in past.connection.execute(statement).fetchall()]

    scans = [line for line in plan if " on campaign_contacts" in line]
    assert len(scans) == 1
    assert "Index Scan using campaign_contacts_queue_idx" in scans[0]


def test_no_function_that_steers_the_planner_is_compiled(connection: Connection) -> None:
    statement = """
        select oid::regprocedure from pg_catalog.pg_proc
        where proconfig::text ~ 'enable_' and not 'jit=off' = any (proconfig)
    """
    assert connection.execute(statement).fetchall() == []
