"""The one lock order: the agency, then batches by id, then contacts, then calls.

Whoever waits for a lock may hold only what comes before it. So each verb is made to wait, and what it must not hold
yet is locked without waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.sql import payloads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.sql.races import Race
    from tests.sql.world import World

    Start = Callable[[World, Callable[[], object]], Race[Any]]
    Act = Callable[[World], object]


def lock_agency(world: World) -> None:
    world.verb("lock_agency", p_agency_id=world.agency.id)


def lock_batches(world: World, batches: Sequence[UUID]) -> None:
    """Locks now or fails."""
    statement = "select from public.call_batches where id = any (%s) for no key update nowait"
    world.connection.execute(statement, [list(batches)])


def two_batches(world: World) -> tuple[UUID, UUID]:
    """Both processing with two calls each that are dialing; the first id is the smaller."""
    first, second = sorted((world.create(4), world.create(4)))
    world.start()
    while min(len(world.calls(first)), len(world.calls(second))) < 2:
        world.dial(1)
    return first, second


def dialing(world: World, batch_id: UUID) -> UUID:
    return next(UUID(call["id"]) for call in world.calls(batch_id) if call["status"] == "dialing")


def given_up(world: World, batch_id: UUID) -> UUID:
    call_id = dialing(world, batch_id)
    world.settle(call_id, "unreachable", reason="no route")
    return call_id


def forbid(world: World, _: UUID) -> Act:
    """Numbers of every batch: some wait, some are being called."""
    numbers = [contact["phone_number"] for contact in reversed(world.all("campaign_contacts"))]
    return lambda session: session.forbid(numbers)


def begin(world: World, _: UUID) -> Act:
    claimed = world.claim(4)
    return lambda session: session.begin(claimed)


def settle(result: str) -> Callable[[World, UUID], Act]:
    def prepare(world: World, batch_id: UUID) -> Act:
        call_id = dialing(world, batch_id)
        return lambda session: session.settle(call_id, result, reason="why", retry_after_seconds=1)

    return prepare


def late_201(world: World, batch_id: UUID) -> Act:
    call_id = given_up(world, batch_id)
    return lambda session: session.settle(call_id, "accepted", ultravox_call_id=uuid4())


def late_word(world: World, batch_id: UUID) -> Act:
    told = payloads.answered(world.call(given_up(world, batch_id)))["joined"]
    return lambda session: session.tell(told)


def answers(world: World, _: UUID) -> Act:
    """About a call of each batch; the second was given up meanwhile, so that its agency's lock is needed."""
    batches = sorted({UUID(row["id"]) for row in world.all("call_batches")})
    lost = dialing(world, batches[0])
    world.settle(lost, "unknown", reason="lost")
    gone = given_up(world, batches[1])
    told = [
        {"call_id": str(call_id), "answer": "found", "call": payloads.answered(world.call(call_id))["joined"]}
        for call_id in (lost, gone)
    ]
    return lambda session: session.verb("record_answers", p_answers=told, p_ask_again_seconds=120)


AGENCY_FIRST: dict[str, Callable[[World, UUID], Act]] = {
    "pause": lambda _, batch_id: lambda session: session.pause(batch_id),
    "cancel": lambda _, batch_id: lambda session: session.cancel(batch_id),
    "add_to_do_not_call": forbid,
    "begin_dial": begin,
    "settle_dials unreachable": settle("unreachable"),
    "settle_dials account_refused": settle("account_refused"),
    "settle_dials agent_gone": settle("agent_gone"),
    "settle_dials of a call given up": late_201,
    "apply_call of a call given up": late_word,
    "record_answers": answers,
}


@pytest.mark.parametrize("verb", AGENCY_FIRST)
def test_no_batch_is_held_by_who_waits_for_the_agency(ours: World, theirs: World, race: Start, verb: str) -> None:
    batches = two_batches(ours)
    act = AGENCY_FIRST[verb](ours, batches[0])

    with ours.connection.transaction():
        lock_agency(ours)
        waiting = race(theirs, lambda: act(theirs))
        waiting.wait_until_blocked()
        lock_batches(ours, batches)

    waiting.result()


def accepted(world: World, _: UUID) -> Act:
    results = [
        {"call_id": row["id"], "result": "accepted", "ultravox_call_id": str(uuid4())}
        for row in reversed(world.all("calls"))
        if row["status"] == "dialing"
    ]
    return lambda session: session.settle_all(results)


def sweep(_: World, __: UUID) -> Act:
    def act(session: World) -> object:
        session.move_clock(120)
        return session.sweep()

    return act


BATCHES_BY_ID: dict[str, Callable[[World, UUID], Act]] = {
    "claim_calls": lambda _, __: lambda session: session.claim(4),
    "add_to_do_not_call": forbid,
    "begin_dial": begin,
    "settle_dials accepted": accepted,
    "settle_dials account_refused": settle("account_refused"),
    "record_answers": answers,
    "sweep_calls": sweep,
}


@pytest.mark.parametrize("verb", BATCHES_BY_ID)
def test_no_later_batch_is_held_by_who_waits_for_an_earlier_one(
    ours: World, theirs: World, race: Start, verb: str
) -> None:
    first, second = two_batches(ours)
    act = BATCHES_BY_ID[verb](ours, second)

    with ours.connection.transaction():
        lock_batches(ours, [first])
        waiting = race(theirs, lambda: act(theirs))
        waiting.wait_until_blocked()
        lock_batches(ours, [second])

    waiting.result()


def word(world: World, batch_id: UUID) -> Act:
    told = payloads.answered(world.call(dialing(world, batch_id)))["ended"]
    return lambda session: session.tell(told)


@pytest.mark.parametrize("prepare", [word, accepted, sweep], ids=["apply_call", "settle_dials accepted", "sweep_calls"])
def test_what_the_provider_tells_does_not_wait_for_the_agency(
    ours: World, theirs: World, prepare: Callable[[World, UUID], Act]
) -> None:
    batches = two_batches(ours)
    act = prepare(ours, batches[0])
    theirs.connection.execute("set lock_timeout = '2s'")

    with ours.connection.transaction():
        lock_agency(ours)
        act(theirs)
