"""A repeated creation creates nothing: the first answer again, whatever happened to the first request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from shared.idempotency import fingerprint
from shared.new_batches import NewBatch
from tests.calling import call
from tests.factories import batch_body, fictional_numbers, make_agency

if TYPE_CHECKING:
    from tests.calling import Reply
    from tests.factories import Connection
    from tests.functions.conftest import Sign
    from tests.sql.world import World

REUSED = (422, "This Idempotency-Key was used before, with another body")
RUNNING = (409, "A request with this Idempotency-Key is still running; repeat it in a moment")


def create(token: str, body: dict[str, Any], key: str) -> Reply:
    return call("calls-batch-create", token, body=body, headers={"Idempotency-Key": key})


def batches(world: World) -> int:
    return len(world.all("call_batches"))


def test_a_repeated_request_has_the_first_answer_and_creates_nothing(owner: str, world: World) -> None:
    body = batch_body(world.agency, name="January", scheduled_for="2099-01-16T09:00:00Z")

    first, second = (create(owner, body, "k-1") for _ in range(2))

    assert (first.status, second.status) == (201, 201)
    assert first.text == second.text
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert batches(world) == 1


def test_what_counts_is_what_the_body_means(owner: str, world: World) -> None:
    plain = batch_body(world.agency, [{"phone_number": "+12135550123", "custom_data": {"a": 1, "b": 2}}])
    spelt_out = batch_body(
        world.agency,
        [{"custom_data": {"b": 2, "a": 1}, "phone_number": "+1 (213) 555-0123", "first_name": None}],
        calls_per_minute=30,
        name=None,
    )

    create(owner, plain, "k")

    assert create(owner, spelt_out, "k").headers["idempotent-replayed"] == "true"
    assert batches(world) == 1


def test_another_body_under_the_same_key_is_refused(owner: str, world: World) -> None:
    create(owner, batch_body(world.agency), "k")

    reply = create(owner, batch_body(world.agency, name="another"), "k")

    assert (reply.error, reply.body["code"]) == (REUSED, "idempotency_key_reused")
    assert batches(world) == 1


def test_another_key_and_no_key_create_anew(owner: str, world: World) -> None:
    body = batch_body(world.agency)

    for key in ("a", "b"):
        create(owner, body, key)
    call("calls-batch-create", owner, body=body)

    assert batches(world) == 3


def test_another_agency_may_use_the_same_key(owner: str, world: World, db: Connection, sign: Sign) -> None:
    other = make_agency(db, "Globex")

    replies = [create(owner, batch_body(world.agency), "k"), create(sign(other.owner), batch_body(other), "k")]

    assert ["idempotent-replayed" in reply.headers for reply in replies] == [False, False]


def test_a_batch_whose_time_has_passed_meanwhile_is_answered_all_the_same(owner: str, world: World) -> None:
    body = batch_body(world.agency, scheduled_for=world.time(60))
    first = create(owner, body, "k")
    made_earlier = {**body, "scheduled_for": world.time(-3600)}

    world.connection.execute(  # as if it had been asked an hour ago, for that time
        "update public.idempotent_answers set fingerprint = %s where agency_id = %s",
        [fingerprint_of(made_earlier), world.agency.id],
    )

    assert create(owner, made_earlier, "k").text == first.text


def fingerprint_of(body: dict[str, Any]) -> str:
    return fingerprint(NewBatch.model_validate(body))


def test_a_refused_request_is_not_kept(owner: str, world: World) -> None:
    for refused in ({"name": "x" * 256}, {"campaign_id": str(uuid4())}, {"scheduled_for": "2020-01-01T00:00:00Z"}):
        assert create(owner, {**batch_body(world.agency), **refused}, "k").status in (400, 404)

    reply = create(owner, batch_body(world.agency), "k")

    assert (reply.status, "idempotent-replayed" in reply.headers) == (201, False)


def test_who_may_no_longer_create_is_not_told_the_answer(owner: str, world: World) -> None:
    body = batch_body(world.agency)
    create(owner, body, "k")
    world.set("users", world.agency.owner, role="agency_member")

    assert create(owner, body, "k").status == 403


@pytest.mark.parametrize(("days", "replayed"), [(6.9, True), (7.1, False)])
def test_an_answer_is_kept_seven_days(owner: str, world: World, days: float, replayed: bool) -> None:
    body = batch_body(world.agency)
    create(owner, body, "k")
    world.connection.execute(
        "update public.idempotent_answers set created_at = created_at - make_interval(secs => %s) where agency_id = %s",
        [days * 86_400, world.agency.id],
    )

    reply = create(owner, {**body, "name": None}, "k")

    assert (reply.status, "idempotent-replayed" in reply.headers) == (201, replayed)
    assert batches(world) == (1 if replayed else 2)
    assert len(world.all_kept()) == 1


def test_answers_that_are_too_old_are_thrown_away_by_those_that_follow(owner: str, world: World) -> None:
    for number in range(3):
        create(owner, batch_body(world.agency), f"old-{number}")
    world.connection.execute(
        "update public.idempotent_answers set created_at = created_at - interval '8 days' where agency_id = %s",
        [world.agency.id],
    )

    create(owner, batch_body(world.agency), "new")

    assert [row["key"] for row in world.all_kept()] == ["new"]


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
def test_a_key_that_is_none_is_a_bad_request(owner: str, world: World, key: str) -> None:
    reply = create(owner, batch_body(world.agency), key)

    assert reply.error == (400, "Idempotency-Key must be 1 to 255 visible ASCII characters")
    assert batches(world) == 0


def test_thirty_at_once_make_one_batch(owner: str, world: World) -> None:
    body = batch_body(world.agency, [{"phone_number": number} for number in fictional_numbers(500)])

    with ThreadPoolExecutor(30) as pool:
        replies = [asked.result() for asked in [pool.submit(create, owner, body, "k") for _ in range(30)]]

    assert batches(world) == 1
    assert {reply.status for reply in replies} <= {201, 409}
    made = [reply for reply in replies if reply.status == 201]
    assert len({reply.text for reply in made}) == 1
    assert ["idempotent-replayed" in reply.headers for reply in made].count(False) == 1
    assert {reply.error for reply in replies if reply.status == 409} <= {RUNNING}


def test_while_the_first_still_runs_the_second_is_told_so(owner: str, world: World, db: Connection) -> None:
    lock = "select pg_advisory_xact_lock(hashtextextended('batchline.once:' || %s || ':calls-batch-create:k', 0))"

    with db.transaction():
        db.execute(lock, [str(world.agency.id)])
        reply = create(owner, batch_body(world.agency), "k")

    assert (reply.error, reply.body["code"]) == (RUNNING, "request_in_progress")
    assert create(owner, batch_body(world.agency), "k").status == 201
