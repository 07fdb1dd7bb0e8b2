"""Whoever is erased is nowhere any more: looked for in every column of every table, whoever added it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.factories import forbid_number, insert, make_user
from tests.sql import payloads
from tests.sql.checks import assert_sound, query
from tests.sql.importing import Import
from tests.sql.world import World

if TYPE_CHECKING:
    from typing import LiteralString

    from tests.factories import Connection

    Json = dict[str, Any]

NUMBER, DIGITS = "+12135550123", "12135550123"
TEXT = f"Hopper at {NUMBER}"
PERSON = {
    "phone_number": NUMBER, "first_name": "Hopper", "last_name": "Hopper", "email": "Hopper@example.com",
    "company": "Hopper Ltd", "title": "Hopper", "custom_data": {"nick": "Hopper"},
}  # fmt: skip

# Every column that can hold text is in one of these. A new one is of people called: then erase_person empties it, and
# `scene` fills it. Or it is not: then it says so here.
OF_PEOPLE = {
    "campaign_contacts": {
        "phone_number", "first_name", "last_name", "email", "company", "title", "timezone", "time_zones", "custom_data",
        "outcome_notes", "reason",
    },
    "calls": {"to_number", "from_number", "end_reason", "reason", "short_summary", "summary", "raw"},
    "call_events": {"reason", "detail", "payload"},
    "call_batches": {"name", "error_message"},
    "do_not_call": {"phone_number", "reason"},
    "idempotent_answers": {"answer"},
    "historical_sync_jobs": {"error_message"},
    "historical_sync_failures": {"ultravox_call_id", "reason"},
    "contact_imports": {"columns", "error_message"},
}  # fmt: skip
OF_NOBODY_CALLED = {
    "agencies": {"public_id", "name"},
    "users": {"role", "email", "full_name"},
    "campaigns": {"name", "calling_hours", "retry"},
    "agent_mappings": {"name", "ultravox_agent_id"},
    "agency_phone_numbers": {"phone_number", "provider", "sip_domain"},
    "api_keys": {"name", "api_key", "secret_hash"},
    "call_batches": {"status", "from_number", "calling_hours", "retry", "timezone", "tasks_object"},
    "call_batch_zones": {"time_zones"},
    "campaign_contacts": {"status", "outcome"},
    "calls": {"status", "claimed_by", "dial_result", "outcome", "billing_status"},
    "call_events": {"event"},
    "idempotent_answers": {"endpoint", "key", "fingerprint"},
    "historical_sync_jobs": {"status", "cursor", "claimed_by"},
    "contact_imports": {"status", "etag", "claimed_by"},
    # What is wrong with a cell, never what is in it.
    "contact_import_faults": {"faults"},
    # Who the contact is, is read when a notice is sent.
    "notices": {"status", "event", "data", "last_error", "claimed_by"},
    "notice_endpoints": {"url", "events", "disabled_reason", "secret_seed", "secret_hash", "previous_seed"},
    "processor_runs": {"processor", "outcome"},
    "erasures": {"number_hash", "changed"},
    "erasure_salts": {"salt"},
}


def erase(world: World, number: str = NUMBER, user_id: UUID | None = None) -> Json:
    return world.verb("erase_person", p_user_id=user_id or world.agency.owner, p_phone_number=number)


def columns_of_text(connection: Connection) -> dict[str, set[str]]:
    statement = """
        select table_name, column_name from information_schema.columns join information_schema.tables
          using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE'
          and data_type in ('text', 'character varying', 'json', 'jsonb', 'bytea', 'ARRAY', 'xml')
    """
    found: dict[str, set[str]] = {}
    for table, column in query(connection, statement):
        found.setdefault(table, set()).add(column)
    return found


def rows_with(connection: Connection, *words: str) -> list[tuple[str, str]]:
    """Table and row of whatever holds one of the words, in whatever column."""
    tables = query(
        connection, "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    found: list[tuple[str, str]] = []
    for (table,) in tables:
        statement = sql.SQL("select to_jsonb(t)::text from public.{} as t").format(sql.Identifier(table))
        for (row,) in connection.execute(statement).fetchall():
            if any(word in str(row) for word in words):
                found.append((table, str(row)))
    return found


def fill(world: World, table: LiteralString, key: LiteralString, row: object, **values: object) -> None:
    """Says something of the person in each of these columns of the rows that have the key."""
    changes = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in values)
    statement = sql.SQL("update public.{} set {} where {} = {}")
    statement = statement.format(sql.Identifier(table), changes, sql.Identifier(key), sql.Placeholder("the_row"))
    world.connection.execute(statement, {**values, "the_row": row})


@pytest.fixture
def scene(world: World) -> UUID:
    """The person was called and is on the list; every column that can hold something of them does. The batch's id."""
    batch_id = world.processing([PERSON, *world.numbers(1)])
    call_id = next(one for one in world.dial(2) if world.call(one)["to_number"] == NUMBER)
    for event, payload in payloads.answered(world.call(call_id)).items():
        told = payload | {"summary": TEXT, "shortSummary": TEXT, "templateContext": {"name": "Hopper"}}
        world.verb("ingest_event", p_agency_id=world.agency.id, p_event=f"call.{event}", p_call=Jsonb(told))
    said, agency_id, contact_id = f"no {NUMBER}", world.agency.id, world.call(call_id)["contact_id"]
    fill(world, "campaign_contacts", "id", contact_id, outcome_notes=said, reason=said)
    fill(world, "calls", "id", call_id, end_reason=said, reason=said, from_number=NUMBER)
    fill(world, "call_events", "contact_id", contact_id, reason=said, detail=Jsonb({"to": f"tel:{DIGITS}"}))
    fill(world, "call_batches", "agency_id", agency_id, name=said, error_message=said)
    insert_kept_answer(world)
    importing = Import.claimed(world)
    importing.record([None])
    fill(world, "historical_sync_jobs", "agency_id", agency_id, error_message=said)
    world.connection.execute(
        "insert into public.historical_sync_failures (agency_id, job_id, ultravox_call_id, reason) "
        "values (%s, %s, %s, %s)",
        [world.agency.id, importing.id, f"x{DIGITS}", f"{NUMBER} is no id"],
    )
    insert_import(world, batch_id)
    forbid_number(world.connection, world.agency.id, NUMBER)
    fill(world, "do_not_call", "agency_id", agency_id, reason=TEXT)
    imported(world, uuid4())
    return batch_id


def insert_kept_answer(world: World) -> None:
    world.connection.execute(
        "insert into public.idempotent_answers (agency_id, endpoint, key, fingerprint, answer) "
        "values (%s, 'x', 'k', 'f', %s)",
        [world.agency.id, Jsonb({"to": NUMBER})],
    )


def insert_import(world: World, batch_id: UUID) -> None:
    """A list that failed, and a column of which was called by the number."""
    insert(
        world.connection, "contact_imports", agency_id=world.agency.id, batch_id=batch_id, status="failed",
        expires_at=world.time(), completed_at=world.time(), columns=Jsonb({f"Of {NUMBER}": "custom_data"}),
        error_message=f'Two columns are called "{NUMBER}"',
    )  # fmt: skip


def imported(world: World, ultravox_call_id: UUID, number: str = NUMBER) -> Json:
    """A past call to the person that the provider tells of; what it says."""
    about = {"to_number": number, "from_number": "+12125550199", "began_at": None, "created_at": "2024-01-01T10:00:00Z"}
    row = {**dict.fromkeys(("agency_id", "batch_id", "contact_id", "id")), **about}
    payload = payloads.answered(row, ultravox_call_id)["billed"] | {"summary": TEXT, "shortSummary": TEXT}
    world.tell(payload, "import")
    return payload


def test_every_column_that_can_hold_text_is_known_to_these_tests(connection: Connection) -> None:
    known = {
        table: OF_PEOPLE.get(table, set()) | OF_NOBODY_CALLED.get(table, set())
        for table in OF_PEOPLE.keys() | OF_NOBODY_CALLED.keys()
    }
    assert columns_of_text(connection) == known


def test_the_scene_fills_every_column_that_holds_something_of_people(world: World, scene: UUID) -> None:
    assert scene
    for table, columns in OF_PEOPLE.items():
        rows = [row for found, row in rows_with(world.connection, DIGITS, "Hopper") if found == table]
        assert rows, table
        for column in columns - {"timezone", "time_zones"}:  # which no name or number can be in
            statement = sql.SQL("select 1 from public.{} where {}::text ~ %s limit 1")
            made = statement.format(sql.Identifier(table), sql.Identifier(column))
            assert world.connection.execute(made, [f"Hopper|{DIGITS}"]).fetchall(), (table, column)


def test_who_is_erased_is_in_no_column_of_no_table(world: World, scene: UUID) -> None:
    answer = erase(world)

    assert rows_with(world.connection, DIGITS, "Hopper") == []
    assert answer["changed"] == {"contacts": 1, "calls": 2, "events": 10, "do_not_call": 1, "notes": 5}
    assert [row["number_hash"] for row in world.all("erasures")] == [answer["number_hash"]]
    assert world.batch(scene)["total_contacts"] == 2
    assert_sound(world.connection)


def test_what_became_of_the_calls_stays(world: World, scene: UUID) -> None:
    kept = ("status", "attempts", "outcome", "duration_seconds", "completed_at", "last_attempt_at", "call_id")
    before = next(one for one in world.contacts(scene) if one["phone_number"] == NUMBER)

    answer = erase(world)

    after = next(one for one in world.contacts(scene) if one["id"] == before["id"])
    assert after["phone_number"] == answer["number_hash"]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    (call,) = (one for one in world.calls(scene) if one["contact_id"] == before["id"])
    assert (call["outcome"], call["duration_seconds"], call["to_number"]) == ("answered", 42, answer["number_hash"])
    assert call["raw"]["billingStatus"] == "BILLING_STATUS_BILLED"


@pytest.mark.parametrize("status", ["draft", "scheduled", "pending", "processing", "paused"])
def test_who_waits_to_be_called_is_skipped_and_the_rest_of_the_list_is_not(world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    first, *others = world.contacts(batch_id)

    erase(world, first["phone_number"])

    erased, *rest = world.contacts(batch_id)
    assert (erased["status"], erased["reason"], erased["outcome_notes"]) == ("skipped", "Erased", "Erased")
    assert rest == others
    assert [entry["reason"] for entry in world.events(contact_id=first["id"], event="skipped")] == ["Erased"]
    assert_sound(world.connection)


def test_a_batch_whose_last_contact_is_erased_has_completed(world: World) -> None:
    batch_id = world.processing([NUMBER])

    erase(world)

    assert world.batch(batch_id)["status"] == "completed"


@pytest.mark.parametrize("status", ["dialing", "unknown", "ringing", "answered"])
def test_nobody_is_forgotten_in_the_middle_of_a_call(world: World, status: str) -> None:
    call_id = world.call_in(status)
    before = world.snapshot()

    with pytest.raises(psycopg.Error) as refused, world.connection.transaction():
        erase(world, world.call(call_id)["to_number"])

    assert refused.value.sqlstate == "PT409"
    assert world.snapshot() == before


def test_a_call_that_is_only_claimed_is_given_back_and_never_made(world: World) -> None:
    call_id = world.call_in("claimed")

    erase(world, world.call(call_id)["to_number"])

    assert world.call(call_id)["status"] == "not_placed"
    assert world.begin([call_id]) == []
    assert world.contact_of(call_id)["status"] == "skipped"


def test_another_agencys_rows_about_the_same_person_stay(world: World) -> None:
    theirs = World(world.connection)
    theirs.processing([PERSON])
    before = theirs.snapshot()
    world.processing([PERSON])

    erase(world)

    assert theirs.snapshot() == before


def test_the_same_number_has_another_hash_in_another_agency(world: World) -> None:
    assert erase(world)["number_hash"] != erase(World(world.connection))["number_hash"]


def test_erasing_again_takes_what_has_come_since_and_changes_nothing_else(world: World, scene: UUID) -> None:
    first = erase(world)
    before = world.snapshot()

    again = erase(world)

    assert again["number_hash"] == first["number_hash"]
    assert set(again["changed"].values()) == {0}
    assert world.snapshot() == before

    world.connection.execute(
        "delete from public.do_not_call where agency_id = %s", [world.agency.id]
    )  # so that the list takes them
    batch_id = world.processing([PERSON])
    assert erase(world)["changed"]["contacts"] == 1
    assert world.contacts(batch_id)[0]["phone_number"] == first["number_hash"]
    assert rows_with(world.connection, DIGITS, "Hopper") == []
    assert scene


def test_who_was_on_the_do_not_call_list_is_not_called_by_a_later_list(world: World) -> None:
    forbid_number(world.connection, world.agency.id, NUMBER)
    answer = erase(world)

    batch_id = world.processing([NUMBER, *world.numbers(1)])

    listed = query(
        world.connection, "select phone_number from public.do_not_call where agency_id = %s", world.agency.id
    )
    assert listed == [(answer["number_hash"],)]
    assert [(one["status"], one["reason"]) for one in world.contacts(batch_id)] == [
        ("skipped", "On the do-not-call list"), ("queued", None)
    ]  # fmt: skip
    forbid_number(world.connection, world.agency.id, NUMBER)  # both at once
    assert world.contacts(world.processing([NUMBER]))[0]["status"] == "skipped"


def test_who_is_taken_off_the_list_again_may_be_called_by_a_later_list(world: World) -> None:
    forbid_number(world.connection, world.agency.id, NUMBER)
    erase(world)

    answer = world.verb("remove_from_do_not_call", p_user_id=world.agency.owner, p_phone_numbers=[NUMBER])

    assert answer == {"removed": 1}
    assert world.contacts(world.processing([NUMBER]))[0]["status"] == "queued"


def test_who_was_not_on_it_is_a_new_person_on_a_later_list(world: World) -> None:
    erase(world)

    assert world.contacts(world.processing([NUMBER]))[0]["status"] == "queued"


def test_late_word_of_a_call_brings_nobody_back(world: World) -> None:
    batch_id = world.processing([PERSON])
    (call_id,) = world.dial(1)
    told = payloads.answered(world.call(call_id))
    for event in ("started", "joined", "ended"):
        world.tell(told[event])
    erase(world)

    said = told["billed"] | {"summary": TEXT, "shortSummary": TEXT}
    world.verb("ingest_event", p_agency_id=world.agency.id, p_event="call.billed", p_call=Jsonb(said))
    world.tell(said, "import")

    assert rows_with(world.connection, DIGITS, "Hopper") == []
    assert world.calls(batch_id)[0]["billed_duration_seconds"] == 48


def test_an_import_brings_nobody_back(world: World) -> None:
    known, unknown = uuid4(), uuid4()
    imported(world, known)
    erase(world)

    for ultravox_call_id in (known, unknown):
        imported(world, ultravox_call_id)

    assert rows_with(world.connection, DIGITS, "Hopper") == []
    assert len(world.all("calls")) == 2


def test_a_call_of_an_import_that_names_the_number_in_its_payload_alone_is_erased(world: World) -> None:
    payload = payloads.base(
        dict.fromkeys(("agency_id", "batch_id", "contact_id", "id", "began_at"))
        | {"to_number": None, "from_number": None, "created_at": "2024-01-01T10:00:00Z"}
    )
    world.tell(payload | {"medium": {"twilio": {"incoming": {"from": NUMBER}}}, "summary": TEXT}, "import")

    assert erase(world)["changed"]["calls"] == 1
    assert rows_with(world.connection, DIGITS, "Hopper") == []


@pytest.mark.parametrize("role", ["agency_admin", "agency_member", "client_admin"])
def test_only_the_owner_may(world: World, scene: UUID, role: str) -> None:
    assert scene
    before = world.snapshot()

    with pytest.raises(psycopg.Error) as refused, world.connection.transaction():
        erase(world, user_id=make_user(world.connection, world.agency.id, role))

    assert refused.value.sqlstate == "PT403"
    assert world.snapshot() == before


def test_an_erased_contact_cannot_be_queued_again(world: World) -> None:
    batch_id = world.processing([NUMBER, *world.numbers(1)])
    erase(world)

    with (
        pytest.raises(psycopg.errors.CheckViolation, match="erased_contact_is_final"),
        world.connection.transaction(),
    ):
        world.set(
            "campaign_contacts", UUID(world.contacts(batch_id)[0]["id"]),
            status="pending", completed_at=None,
        )  # fmt: skip
    with pytest.raises(psycopg.errors.CheckViolation, match="erased_number_is_a_hash"), world.connection.transaction():
        insert(world.connection, "erasures", agency_id=world.agency.id, number_hash=NUMBER, changed=Jsonb({}))
