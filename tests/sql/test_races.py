"""Two workers, or a worker and a user, or a worker and the provider, at the same moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound
from tests.sql.races import DEADLINE
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import Connection
    from tests.sql.races import Race

    Start = Callable[[World, Callable[[], object]], Race[Any]]


def test_a_claim_does_not_wait_for_a_claim_but_comes_again_in_20_ms(ours: World, theirs: World) -> None:
    ours.processing(10, max_concurrent=4)
    with ours.connection.transaction():
        assert len(ours.claim(worker="one")) == 4

        answer = theirs.claim_answer(worker="two")

    assert (answer["calls"], answer["active"]) == ([], True)
    assert 0 < answer["next_claim_in"] <= 0.020
    assert theirs.claim(worker="two") == []


def test_a_claim_goes_on_with_other_agencies_while_one_is_busy(connect: Callable[[], Connection], ours: World) -> None:
    other = World(connect())
    other.processing(1)
    ours.processing(1)
    with ours.connection.transaction():
        ours.claim()

        answer = other.verb("claim_calls", p_worker="two", p_limit=50_000, p_lease_seconds=60)

    agencies = {order["agency_id"] for order in answer["calls"]}
    assert str(other.agency.id) in agencies
    assert str(ours.agency.id) not in agencies


def test_two_workers_claiming_at_once_never_exceed_a_limit(ours: World, theirs: World, race: Start) -> None:
    batch_id = ours.processing(200, max_concurrent=20)

    def claim_thirty_times(world: World, worker: str) -> int:
        return sum(len(world.claim(3, worker)) for _ in range(30))

    second = race(theirs, lambda: claim_thirty_times(theirs, "two"))
    first = claim_thirty_times(ours, "one")
    claimed = first + second.result()
    claimed += claim_thirty_times(ours, "one")  # who finds the other at work claims nothing, maybe each time

    assert claimed == 20 == ours.batch(batch_id)["in_progress"]
    assert_sound(ours.connection)


def test_two_workers_and_two_batches_with_the_same_numbers_call_each_number_once(
    ours: World, theirs: World, race: Start
) -> None:
    numbers = ours.numbers(60)
    ours.create(numbers)
    ours.create(list(reversed(numbers)))

    def claim_until_none_is_left(world: World, worker: str) -> None:
        ends = time.monotonic() + DEADLINE
        while len(world.all("calls")) < len(numbers):  # whoever comes late may find nothing at all left
            assert time.monotonic() < ends, "somebody is left, whom nobody claims"
            world.claim(5, worker)
        assert world.claim(5, worker) == []

    second = race(theirs, lambda: claim_until_none_is_left(theirs, "two"))
    claim_until_none_is_left(ours, "one")
    second.result()

    called = [row["to_number"] for row in ours.all("calls")]
    assert sorted(called) == sorted(numbers)
    assert_sound(ours.connection)


def test_begin_waits_for_a_pause_and_then_begins_nothing(ours: World, theirs: World, race: Start) -> None:
    batch_id = ours.processing(3)
    claimed = theirs.claim()

    with ours.connection.transaction():
        ours.pause(batch_id)
        begin = race(theirs, lambda: theirs.begin(claimed))
        begin.wait_until_blocked()

    assert begin.result() == []
    assert {call["status"] for call in ours.calls(batch_id)} == {"not_placed"}
    assert_sound(ours.connection)


def test_a_pause_waits_for_begin_and_answers_what_may_reach_the_provider(
    ours: World, theirs: World, race: Start
) -> None:
    batch_id = ours.processing(5)
    claimed = theirs.claim(3)

    with theirs.connection.transaction():
        assert len(theirs.begin(claimed[:2])) == 2
        pause = race(ours, lambda: ours.pause(batch_id))
        pause.wait_until_blocked()

    assert pause.result()["in_progress"] == 2
    assert sorted(call["status"] for call in ours.calls(batch_id)) == ["dialing", "dialing", "not_placed"]
    assert_sound(ours.connection)


def test_a_cancel_waits_for_a_claim_and_skips_everybody_it_took(ours: World, theirs: World, race: Start) -> None:
    batch_id = ours.processing(5)

    with theirs.connection.transaction():
        claimed = theirs.claim(3)
        cancel = race(ours, lambda: ours.cancel(batch_id))
        cancel.wait_until_blocked()

    assert cancel.result()["contacts_skipped"] == 5
    assert theirs.begin(claimed) == []
    assert_sound(ours.connection)


def test_a_claim_during_a_cancel_takes_nothing(ours: World, theirs: World) -> None:
    batch_id = ours.processing(5)

    with ours.connection.transaction():
        ours.cancel(batch_id)
        assert theirs.claim() == []

    assert theirs.claim() == []
    assert_sound(ours.connection)


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_of_two_users_with_the_same_wish_one_wins_and_the_other_learns_the_new_state(
    ours: World, theirs: World, race: Start, verb: str
) -> None:
    batch_id = ours.processing(3)

    with ours.connection.transaction():
        getattr(ours, verb)(batch_id)
        second = race(theirs, lambda: getattr(theirs, verb)(batch_id))
        second.wait_until_blocked()

    with pytest.raises(psycopg.Error) as refused:
        second.result()
    assert refusal(refused.value)[0] == "400"


def test_two_workers_with_the_same_calls_begin_them_once(ours: World, theirs: World, race: Start) -> None:
    ours.processing(3)
    claimed = ours.claim(worker="one")

    with ours.connection.transaction():
        assert len(ours.begin(claimed, worker="one")) == 3
        second = race(theirs, lambda: theirs.begin(claimed, worker="two"))
        second.wait_until_blocked()

    assert second.result() == []


def test_begin_waits_for_the_sweep_that_releases_its_call(ours: World, theirs: World, race: Start) -> None:
    ours.processing(1)
    call_id = theirs.claim(lease=60)[0]
    ours.move_clock(61)

    with ours.connection.transaction():
        assert ours.sweep()["released"] >= 1
        begin = race(theirs, lambda: theirs.begin([call_id]))
        begin.wait_until_blocked()

    assert begin.result() == []
    assert ours.contact_of(call_id)["attempts"] == 0
    assert_sound(ours.connection)


def test_a_webhook_that_meets_a_claim_waits_and_both_succeed(ours: World, theirs: World, race: Start) -> None:
    batch_id = ours.processing(5)
    call_id = ours.ringing()

    with theirs.connection.transaction():
        assert len(theirs.claim(2)) == 2
        word = race(ours, lambda: ours.finish(call_id, talk_seconds=20))
        word.wait_until_blocked()

    word.result()
    batch = ours.batch(batch_id)
    assert (batch["completed"], batch["in_progress"], batch["queued"]) == (1, 2, 2)
    assert_sound(ours.connection)


def test_a_claim_that_meets_a_webhook_waits_and_both_succeed(ours: World, theirs: World, race: Start) -> None:
    batch_id = ours.processing(5)
    call_id = ours.ringing()

    with ours.connection.transaction():
        ours.finish(call_id, talk_seconds=20)
        claim = race(theirs, lambda: theirs.claim(2))
        claim.wait_until_blocked()

    assert len(claim.result()) == 2
    batch = ours.batch(batch_id)
    assert (batch["completed"], batch["in_progress"], batch["queued"]) == (1, 2, 2)
    assert_sound(ours.connection)


@pytest.mark.parametrize("word", ["201", "joined"])
def test_word_of_a_call_that_is_given_up_at_this_moment_is_to_be_repeated(
    ours: World, theirs: World, race: Start, word: str
) -> None:
    call_id = ours.call_in("unknown", contacts=2)
    told = payloads.answered(ours.call(call_id))["joined"]
    ours.none(call_id)

    def say() -> object:
        if word == "201":
            return theirs.settle(call_id, "accepted", ultravox_call_id=told["callId"])
        return theirs.tell(told)

    with ours.connection.transaction():
        assert ours.none(call_id, ask_again=0)["not_placed"] == 1
        late = race(theirs, say)
        late.wait_until_blocked()

    with pytest.raises(psycopg.errors.SerializationFailure):
        late.result()
    assert ours.call(call_id)["status"] == "not_placed"
    assert say() in (1, "applied")
    assert ours.contact_of(call_id)["status"] == "in_progress"
    assert_sound(ours.connection)


def test_the_same_event_arriving_twice_at_once_is_applied_and_stored_once(
    ours: World, theirs: World, race: Start
) -> None:
    call_id = ours.call_in("dialing")
    told: Any = {"p_event": "call.ended", "p_call": payloads.answered(ours.call(call_id))["ended"]}

    with ours.connection.transaction():
        assert ours.verb("ingest_event", p_agency_id=ours.agency.id, **told) == "applied"
        repeat = race(theirs, lambda: theirs.verb("ingest_event", p_agency_id=ours.agency.id, **told))
        repeat.wait_until_blocked()

    assert repeat.result() == "unchanged"
    assert len(ours.events(event="call.ended")) == 1
    assert_sound(ours.connection)


def test_a_strangers_call_arriving_twice_at_once_is_imported_once(ours: World, theirs: World, race: Start) -> None:
    told = {"callId": str(uuid4()), "created": ours.time()}

    with ours.connection.transaction():
        assert ours.tell(told) == "imported"
        repeat = race(theirs, lambda: theirs.tell(told))
        repeat.wait_until_blocked()

    assert repeat.result() == "unchanged"
    assert len(ours.all("calls")) == 1


def test_two_workers_never_ask_the_same_question(ours: World, theirs: World) -> None:
    ours.processing(4)
    for call_id in ours.dial():
        ours.settle(call_id, "unknown", reason="lost")

    with ours.connection.transaction():
        mine = ours.questions(2, ask_after=0)
        rest = theirs.questions(10, ask_after=0)

    asked = [question["call_id"] for question in mine["calls"] + rest["calls"]]
    assert (len(asked), len(set(asked))) == (4, 4)


def test_accounts_are_asked_about_while_calls_are_claimed_and_calls_claimed_while_accounts_are(
    ours: World, theirs: World
) -> None:
    ours.processing(4)
    theirs.connection.execute("set lock_timeout = '5s'")

    with ours.connection.transaction():
        assert len(ours.claim(1)) == 1
        assert theirs.questions()["accounts"] == [str(ours.agency.id)]
    ours.set("agencies", ours.agency.id, account_checked_at=None)
    with ours.connection.transaction():
        assert ours.questions()["accounts"] == [str(ours.agency.id)]
        assert len(theirs.claim(1)) == 1
