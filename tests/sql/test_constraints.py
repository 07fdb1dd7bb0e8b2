"""What the tables themselves refuse, in both directions, whatever a function may do."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest

from tests.sql.checks import assert_sound
from tests.sql.importing import Import
from tests.sql.listing import Listed
from tests.sql.telling import listen

if TYPE_CHECKING:
    from typing import LiteralString

    from tests.sql.world import World

    Case = tuple[str, dict[str, object], str]  # a state, what is changed, the constraint that refuses it

NOW = "2031-01-01T00:00:00Z"
BATCH: list[Case] = [
    ("processing", {"status": "sleeping"}, "batch_status_is_known"),
    ("processing", {"status": "paused"}, "paused_at_exactly_while_paused"),
    ("processing", {"paused_at": NOW}, "paused_at_exactly_while_paused"),
    ("processing", {"status": "cancelled"}, "completed_at_exactly_when_final"),
    ("processing", {"completed_at": NOW}, "completed_at_exactly_when_final"),
    ("pending", {"started_at": NOW}, "started_at_unset_before_the_start"),
    ("processing", {"started_at": None}, "started_at_set_while_processing"),
    ("pending", {"status": "scheduled"}, "scheduled_has_a_time"),
    ("scheduled", {"ends_at": "2020-01-01T00:00:00Z"}, "scheduled_before_its_end"),
    ("processing", {"status": "failed", "completed_at": NOW}, "error_message_when_failed"),
    ("processing", {"calls_per_minute": 0}, "batch_pace_is_positive"),
    ("processing", {"max_concurrent": 0}, "batch_pace_is_positive"),
    ("processing", {"queued": -1}, "counters_are_not_negative"),
    ("processing", {"completed": 4}, "counters_are_not_negative"),
    ("processing", {"status": "completed", "completed_at": NOW}, "completed_means_nothing_left"),
    ("processing", {"deleted_at": NOW}, "deleted_only_as_draft_or_when_final"),
    ("scheduled", {"deleted_at": NOW}, "deleted_only_as_draft_or_when_final"),
]
CONTACT: list[Case] = [
    ("queued", {"status": "asleep"}, "contact_status_is_known"),
    ("queued", {"outcome": "delighted"}, "contact_outcome_is_known"),
    ("queued", {"phone_number": "5550123"}, "contact_number_is_e164"),
    ("queued", {"attempts": 4}, "attempts_within_budget"),
    ("queued", {"max_attempts": 12}, "max_attempts_are_sensible"),
    ("queued", {"attempts": 3}, "queued_has_attempts_left"),
    ("queued", {"next_attempt_at": None}, "next_attempt_exactly_while_queued"),
    ("in_progress", {"next_attempt_at": NOW}, "next_attempt_exactly_while_queued"),
    ("in_progress", {"call_id": None}, "in_progress_has_a_call"),
    ("queued", {"completed_at": NOW}, "contact_completed_at_exactly_when_final"),
    ("completed", {"completed_at": None}, "contact_completed_at_exactly_when_final"),
    ("completed", {"reason": None}, "final_contact_has_a_reason"),
    ("completed", {"outcome": "busy"}, "completed_contact_was_answered"),
    ("queued", {"outcome": "answered"}, "completed_contact_was_answered"),
]
CALL: list[Case] = [
    ("ringing", {"status": "busy"}, "call_status_is_known"),
    ("ended", {"outcome": "delighted"}, "call_outcome_is_known"),
    ("ringing", {"dial_result": "fine"}, "dial_result_is_known"),
    ("ringing", {"to_number": None}, "own_call_is_whole"),
    ("claimed", {"claimed_until": None}, "lease_exactly_while_claimed_or_dialing"),
    ("ringing", {"claimed_until": NOW}, "lease_exactly_while_claimed_or_dialing"),
    ("claimed", {"began_at": NOW}, "began_at_unset_while_claimed"),
    ("ringing", {"began_at": None}, "began_at_set_once_begun"),
    ("unknown", {"unknown_at": None}, "unknown_has_a_time"),
    ("ringing", {"ultravox_call_id": None}, "accepted_call_has_the_providers_id"),
    ("ringing", {"ended_at": NOW}, "call_ended_at_exactly_when_ended"),
    ("ringing", {"outcome": "busy"}, "outcome_exactly_when_ended"),
    ("ended", {"outcome": None}, "outcome_exactly_when_ended"),
]
SYNC: list[Case] = [
    ("pending", {"status": "asleep"}, "sync_status_is_known"),
    ("pending", {"date_from": NOW, "date_to": NOW}, "sync_range_is_not_empty"),
    ("pending", {"imported_calls": -1, "updated_calls": 1}, "sync_counters_are_not_negative"),
    ("pending", {"total_calls": -1}, "sync_counters_are_not_negative"),
    ("pending", {"processed_calls": 1}, "sync_counters_add_up"),
    ("pending", {"started_at": NOW}, "sync_started_at_unset_while_pending"),
    ("in_progress", {"started_at": None}, "sync_started_at_set_once_begun"),
    ("in_progress", {"completed_at": NOW}, "sync_completed_at_exactly_when_final"),
    ("pending", {"status": "cancelled"}, "sync_completed_at_exactly_when_final"),
    ("in_progress", {"claimed_by": None}, "sync_lease_has_a_holder"),
    ("in_progress", {"claimed_until": None}, "sync_lease_has_a_holder"),
    ("pending", {"claimed_by": "worker", "claimed_until": NOW}, "sync_lease_only_in_progress"),
    ("pending", {"status": "failed", "completed_at": NOW}, "failed_sync_says_why"),
]
LIST: list[Case] = [
    ("pending", {"status": "asleep"}, "import_status_is_known"),
    ("pending", {"invalid": -1, "duplicates_skipped": 1}, "import_counters_are_not_negative"),
    ("pending", {"rows_read": 1}, "import_counters_add_up"),
    ("pending", {"skipped": 1}, "import_counters_add_up"),
    ("in_progress", {"cursor": 101}, "import_reads_no_further_than_the_file"),
    ("pending", {"etag": "e"}, "import_knows_its_file_whole"),
    ("pending", {"started_at": NOW}, "import_started_at_unset_while_pending"),
    ("in_progress", {"started_at": None}, "import_started_at_set_once_begun"),
    ("in_progress", {"etag": None, "size_bytes": None}, "import_started_at_set_once_begun"),
    ("in_progress", {"completed_at": NOW}, "import_completed_at_exactly_when_final"),
    ("in_progress", {"status": "completed"}, "import_completed_at_exactly_when_final"),
    ("in_progress", {"claimed_by": None}, "import_lease_has_a_holder"),
    ("pending", {"claimed_by": "worker", "claimed_until": NOW}, "import_lease_only_in_progress"),
    ("pending", {"status": "failed", "completed_at": NOW}, "failed_import_says_why"),
]
NOTICE: list[Case] = [
    ("delivered", {"status": "sent"}, "notice_status_is_known"),
    ("waiting", {"event": "batch.born"}, "notice_event_is_known"),
    ("waiting", {"event": "contact.finished"}, "notice_is_about_a_contact_exactly_when_it_says_so"),
    ("waiting", {"finished_at": NOW}, "notice_finished_at_exactly_when_final"),
    ("waiting", {"status": "delivered"}, "notice_finished_at_exactly_when_final"),
    ("waiting", {"status": "failed", "finished_at": NOW}, "failed_notice_says_why"),
    ("waiting", {"claimed_by": "worker"}, "notice_lease_has_a_holder"),
    ("waiting", {"claimed_until": NOW}, "notice_lease_has_a_holder"),
    ("delivered", {"claimed_by": "worker", "claimed_until": NOW}, "notice_lease_only_while_waiting"),
]


def names(cases: list[Case]) -> list[str]:
    return [f"{constraint}-{status}-{'-'.join(changes)}" for status, changes, constraint in cases]


@pytest.mark.parametrize(("status", "changes", "constraint"), BATCH, ids=names(BATCH))
def test_no_batch_may_be(world: World, status: str, changes: dict[str, object], constraint: str) -> None:
    batch_id = world.batch_in(status)

    with pytest.raises(psycopg.errors.CheckViolation) as refused, world.connection.transaction():
        world.set("call_batches", batch_id, **changes)

    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(("status", "changes", "constraint"), CONTACT, ids=names(CONTACT))
def test_no_contact_may_be(world: World, status: str, changes: dict[str, object], constraint: str) -> None:
    batch_id = world.processing(1)
    if status != "queued":
        call_id = world.ringing()
        world.finish(call_id, talk_seconds=20) if status == "completed" else None
    contact_id = world.contacts(batch_id)[0]["id"]

    with pytest.raises(psycopg.errors.CheckViolation) as refused, world.connection.transaction():
        world.set("campaign_contacts", contact_id, **changes)

    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(("status", "changes", "constraint"), CALL, ids=names(CALL))
def test_no_call_may_be(world: World, status: str, changes: dict[str, object], constraint: str) -> None:
    call_id = world.call_in(status)

    with pytest.raises(psycopg.errors.CheckViolation) as refused, world.connection.transaction():
        world.set("calls", call_id, **changes)

    assert refused.value.diag.constraint_name == constraint


def test_somebody_who_may_ask_nothing_at_all_is_no_setting(world: World) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="request_limit_is_positive"):
        world.set("agencies", world.agency.id, max_requests_per_minute=0)


def test_a_program_has_a_pace_and_a_secret_is_kept_as_a_sha256(world: World) -> None:
    arguments = {"p_user_id": world.agency.owner, "p_name": "CRM", "p_seed": "seed"}

    with pytest.raises(psycopg.errors.CheckViolation, match="default_pace_is_positive"), world.connection.transaction():
        world.set("agencies", world.agency.id, default_max_concurrent=0)
    with pytest.raises(psycopg.errors.CheckViolation, match="secret_hash_is_a_sha256"), world.connection.transaction():
        world.verb("create_api_key", **arguments, p_secret_hash="ab" * 31)


@pytest.mark.parametrize(("status", "changes", "constraint"), SYNC, ids=names(SYNC))
def test_no_import_may_be(world: World, status: str, changes: dict[str, object], constraint: str) -> None:
    job = Import.claimed(world) if status == "in_progress" else Import(world)

    with pytest.raises(psycopg.errors.CheckViolation) as refused, world.connection.transaction():
        world.set("historical_sync_jobs", job.id, **changes)

    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(("status", "changes", "constraint"), NOTICE, ids=names(NOTICE))
def test_no_notice_may_be(world: World, status: str, changes: dict[str, object], constraint: str) -> None:
    listen(world)
    world.processing()
    notice_id = UUID(world.all("notices")[0]["id"])
    if status == "delivered":
        world.set("notices", notice_id, status=status, finished_at=NOW)

    with pytest.raises(psycopg.errors.CheckViolation) as refused, world.connection.transaction():
        world.set("notices", notice_id, **changes)

    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("events = '{batch.born}'", "notice_events_are_known"),
        ("events = '{}'", "notice_events_are_known"),
        ("active = false", "disabled_reason_exactly_while_inactive"),
        ("disabled_reason = 'why'", "disabled_reason_exactly_while_inactive"),
        ("previous_seed = 'seed'", "previous_secret_ends"),
        ("previous_until = now()", "previous_secret_ends"),
    ],
)
def test_no_notice_endpoint_may_be(world: World, change: LiteralString, constraint: str) -> None:
    listen(world)

    with pytest.raises(psycopg.errors.CheckViolation) as refused, world.connection.transaction():
        world.connection.execute(f"update public.notice_endpoints set {change}")  # noqa: S608

    assert refused.value.diag.constraint_name == constraint


def test_an_agent_that_is_gone_is_inactive(world: World) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="gone_agent_is_inactive"):
        world.set("agent_mappings", world.agency.agent_mapping_id, gone_at=NOW)


def test_one_active_import_at_a_time_is_the_tables_own_last_word(world: World) -> None:
    over = Import(world)
    over.cancel()
    Import(world)

    with pytest.raises(psycopg.errors.UniqueViolation, match="one_active"), world.connection.transaction():
        world.set("historical_sync_jobs", over.id, status="pending", completed_at=None)


@pytest.mark.parametrize("same", ["contact", "number"])
def test_one_call_at_a_time_is_the_tables_own_last_word(world: World, same: str) -> None:
    world.processing(2)
    first, second = world.dial()
    world.finish(second, talk_seconds=20)
    column = {"contact": "contact_id", "number": "to_number"}[same]
    again = {"status": "dialing", "claimed_until": NOW, "ended_at": None, "outcome": None}

    with pytest.raises(psycopg.errors.UniqueViolation, match=f"one_live_per_{same}"), world.connection.transaction():
        world.set("calls", second, **again, **{column: world.call(first)[column]})


def test_counters_follow_contacts_moved_by_any_statement(world: World) -> None:
    first, second = world.processing(3), world.processing(2)
    statement = """
        update public.campaign_contacts
        set status = case when position = 0 then 'skipped' else 'pending' end, next_attempt_at = null,
            completed_at = case when position = 0 then now() end, reason = 'why', reason_at = now()
        where batch_id = any (%s)
    """
    world.connection.execute(statement, [[first, second]])

    batch = world.batch(first)
    assert (batch["skipped"], batch["pending"], batch["queued"]) == (1, 2, 0)
    assert_sound(world.connection)


def test_a_statement_that_moves_nobody_changes_no_counter(world: World) -> None:
    batch_id = world.processing(3)
    before = world.batch(batch_id)

    world.connection.execute("update public.campaign_contacts set title = 'Dr' where batch_id = %s", [batch_id])
    world.connection.execute("update public.campaign_contacts set title = 'Dr' where false")

    assert world.batch(batch_id) == before


@pytest.mark.parametrize(("status", "changes", "constraint"), LIST, ids=names(LIST))
def test_no_list_may_be(world: World, status: str, changes: dict[str, object], constraint: str) -> None:
    listed = Listed.claimed(world) if status == "in_progress" else Listed(world)

    with pytest.raises(psycopg.errors.CheckViolation) as refused, world.connection.transaction():
        world.set("contact_imports", listed.id, **changes)

    assert refused.value.diag.constraint_name == constraint
