"""The last live call of a batch that is closed or paused ends in each way that a call can end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.conftest import database
from tests.sql import payloads
from tests.sql.checks import assert_sound
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.postgres import Server
    from tests.factories import Connection

NOT_LEARNED = "We could not learn what became of this call; it was not dialled again."
CLOSED = {"cancelled": "Batch cancelled", "failed": "Batch failed: The agent is gone"}
A_WEEK = 7 * 86400.0


@dataclass(frozen=True)
class Ending:
    """How a call that is dialing comes to its end, and what its contact is then told.

    `final` is the contact's state where nothing may follow in any batch; None where the contact may be called again.
    """

    happens: Callable[[World, UUID], None]
    call: str = "ended"
    outcome: str | None = None
    reason: str = ""
    final: str | None = "failed"
    counted: bool = True


def _ends(sip: str | None = None, **changes: str) -> Callable[[World, UUID], None]:
    """Accepted, never joined, ended."""

    def happen(world: World, call_id: UUID) -> None:
        world.accept([call_id])
        row = world.call(call_id)
        world.tell(payloads.unanswered(row, UUID(row["ultravox_call_id"]), sip)["ended"] | changes)

    return happen


def _joined(talk_seconds: float, **changes: str) -> Callable[[World, UUID], None]:
    def happen(world: World, call_id: UUID) -> None:
        world.accept([call_id])
        row = world.call(call_id)
        told = payloads.answered(row, UUID(row["ultravox_call_id"]), talk_seconds)
        world.tell(told["joined"])
        world.tell(told["ended"] | changes)

    return happen


def _given_up(world: World, call_id: UUID) -> None:
    world.settle(call_id, "unknown", reason="timed out")
    world.move_clock(A_WEEK)
    assert world.sweep()["given_up"] == 1


def _gone(world: World, call_id: UUID) -> None:
    world.accept([call_id])
    world.move_clock(700)
    (question,) = world.questions()["calls"]
    world.answer(call_id, "none", asked_at=question["asked_at"])


def _never_placed(world: World, call_id: UUID) -> None:
    world.settle(call_id, "unknown", reason="timed out")
    for _ in range(2):
        world.move_clock(121)
        (question,) = world.questions()["calls"]
        world.answer(call_id, "none", asked_at=question["asked_at"])


def _dial(result: str) -> Callable[[World, UUID], None]:
    def happen(world: World, call_id: UUID) -> None:
        world.settle(call_id, result, reason="The provider's words", retry_after_seconds=1)

    return happen


LOST = {"endReason": "connection_error"}
ENDINGS = {
    "answered": Ending(_joined(42), outcome="answered", reason="Answered", final="completed"),
    "no_answer": Ending(_ends(), outcome="no_answer", reason="No answer", final=None),
    "busy": Ending(_ends("BUSY"), outcome="busy", reason="Busy", final=None),
    "invalid_number": Ending(
        _ends("INVALID_NUMBER"), outcome="invalid_number", reason="The number cannot be called"
    ),
    "rejected": Ending(_ends("REJECTED"), outcome="rejected", reason="The call was rejected"),
    "dropped": Ending(
        _joined(5, **LOST), outcome="dropped", final=None,
        reason="The connection was lost just after the call was answered",
    ),
    "error": Ending(_ends(**LOST), outcome="error", reason="The call could not be connected", final=None),
    "given up": Ending(_given_up, outcome="unknown", reason=NOT_LEARNED),
    "gone": Ending(_gone, outcome="unknown", reason=NOT_LEARNED),
    "never placed": Ending(
        _never_placed, "not_placed", reason="The call was not placed", final=None, counted=False
    ),
    "number refused": Ending(
        _dial("number_refused"), "not_placed", "invalid_number", "The provider's words"
    ),
    "unreachable": Ending(
        _dial("unreachable"), "not_placed", reason="The provider's words", final=None, counted=False
    ),
}  # fmt: skip
each_ending = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())


@pytest.fixture(scope="module")
def _session(server: Server, template: str) -> Iterator[Connection]:
    with database(server, template) as name, psycopg.connect(server.database(name)) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def world(_session: Connection) -> World:
    """An agency in a transaction that is rolled back."""
    _session.rollback()
    return World(_session)


def close(world: World, how: str, **batch: Any) -> tuple[UUID, UUID]:
    """A batch of three that is closed while one call, the last live one, is dialing."""
    batch_id = world.processing(3, **batch)
    last, another = world.dial(2)
    if how == "failed":
        world.settle(another, "agent_gone", reason="The agent is gone")
    else:
        world.settle(another, "not_sent", reason="The time to send had passed")
    if how == "cancelled":
        world.cancel(batch_id)
    assert [row["id"] for row in world.calls(batch_id) if row["is_live"]] == [str(last)]
    return batch_id, last


def counters(world: World, batch_id: UUID) -> dict[str, int]:
    row = world.batch(batch_id)
    names = ("pending", "queued", "in_progress", "completed", "failed", "skipped")
    return {name: row[name] for name in names if row[name]}


def assert_ended_as(world: World, call_id: UUID, ending: Ending) -> None:
    call = world.call(call_id)
    assert (call["status"], call["outcome"]) == (
        ending.call, ending.outcome if ending.call == "ended" else None,
    )  # fmt: skip
    assert_sound(world.connection)


def assert_nobody_is_dialled(world: World) -> None:
    """Not now, and not when every time to wait for is over."""
    for _ in range(2):
        assert world.claim() == []
        world.move_clock(A_WEEK)
    assert not [row for row in world.all("calls") if row["is_live"]]


@each_ending
@pytest.mark.parametrize("how", CLOSED)
def test_a_closed_batch_stays_closed_and_its_last_call_is_counted(world: World, how: str, ending: Ending) -> None:
    batch_id, call_id = close(world, how)
    closed = world.batch(batch_id)

    ending.happens(world, call_id)

    contact = world.contact_of(call_id)
    expected = (ending.final, ending.reason) if ending.final else ("skipped", CLOSED[how])
    assert (contact["status"], contact["reason"]) == expected
    assert (contact["outcome"], contact["attempts"]) == (ending.outcome, int(ending.counted))
    after = world.batch(batch_id)
    kept = ("status", "completed_at", "error_message", "total_contacts")
    assert {name: after[name] for name in kept} == {name: closed[name] for name in kept}
    assert counters(world, batch_id) == {"skipped": 3} if not ending.final else {"skipped": 2, ending.final: 1}
    assert_ended_as(world, call_id, ending)
    assert_nobody_is_dialled(world)


@each_ending
def test_a_paused_batch_keeps_whom_it_may_still_call(world: World, ending: Ending) -> None:
    batch_id = world.processing(2)
    (call_id,) = world.dial(1)
    world.pause(batch_id)

    ending.happens(world, call_id)

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["reason"]) == (ending.final or "queued", ending.reason)
    assert (contact["outcome"], contact["attempts"]) == (ending.outcome, int(ending.counted))
    assert world.batch(batch_id)["status"] == "paused"
    assert counters(world, batch_id) == ({ending.final: 1, "queued": 1} if ending.final else {"queued": 2})
    assert_ended_as(world, call_id, ending)
    assert_nobody_is_dialled(world)


@each_ending
def test_a_paused_batch_is_completed_by_its_last_contact(world: World, ending: Ending) -> None:
    batch_id = world.processing(1, retry={"max_attempts": 1})
    (call_id,) = world.dial()
    world.pause(batch_id)

    ending.happens(world, call_id)

    final = ending.final or ("failed" if ending.counted else None)
    contact, batch = world.contact_of(call_id), world.batch(batch_id)
    assert (contact["status"], contact["reason"]) == (final or "queued", ending.reason)
    assert batch["status"] == ("completed" if final else "paused")
    assert counters(world, batch_id) == {final or "queued": 1}
    assert_ended_as(world, call_id, ending)
    assert_nobody_is_dialled(world)


@pytest.mark.parametrize("how", [*CLOSED, "paused"])
def test_what_is_heard_later_of_the_last_call_places_no_other(world: World, how: str) -> None:
    if how == "paused":
        batch_id = world.processing(1)
        (call_id,) = world.dial()
        world.pause(batch_id)
    else:
        batch_id, call_id = close(world, how)
    _never_placed(world, call_id)

    world.tell(payloads.answered(world.call(call_id), uuid4())["ended"])

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["outcome"], contact["attempts"]) == ("completed", "answered", 1)
    assert world.batch(batch_id)["status"] == ("completed" if how == "paused" else how)
    assert_sound(world.connection)
    assert_nobody_is_dialled(world)
