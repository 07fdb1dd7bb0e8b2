"""Lists that come in while their batch is dialled: what is there is dialled, and it is not done too early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import database
from tests.dialer.harness import until
from tests.factories import fictional_numbers
from tests.lists.harness import CHUNK, List, rows, worker

if TYPE_CHECKING:
    from tests.dialer.harness import World

GOOD = fictional_numbers(3 * CHUNK)
LINES = [(number, "Ann") for number in GOOD]


def test_a_list_that_is_started_before_its_end_dials_what_is_there_and_does_not_complete_early(world: World) -> None:
    listed = List.of(world, rows(LINES))
    batch = listed.start()

    with worker("import_before_record", 2) as importing:
        importing.wait_until_reached()
        world.run_until(lambda: batch.counters() == {"completed": CHUNK})
        world.run(0.3)
        assert batch.status == "processing"
        importing.go_on()
        importing.result()
    assert listed.status == "completed"
    world.run_until(lambda: batch.status == "completed")

    assert batch.counters() == {"completed": 3 * CHUNK}
    assert sorted(call["to"] for call in world.dialled()) == sorted(GOOD)
    assert batch.stats()["double_dials"] == 0


def test_a_list_that_ends_after_its_last_call_completes_the_batch(world: World) -> None:
    listed = List.ask(world)
    batch = listed.start()
    world.run(0.3)
    assert batch.status == "processing"

    listed.upload(rows([("", "Ann"), *LINES[:1]]))
    listed.run()
    world.run_until(lambda: batch.status == "completed")

    assert batch.counters() == {"completed": 1}


def test_a_list_of_which_nothing_can_be_used_lets_a_started_batch_complete(world: World) -> None:
    listed = List.of(world, rows([("", "Ann")]))
    batch = listed.start()
    world.run(0.3)

    listed.run()

    assert (listed.status, batch.status) == ("failed", "completed")


def test_people_who_are_added_while_a_batch_is_dialled_are_dialled_once(world: World) -> None:
    batch = world.create(GOOD[:6], calls_per_minute=180)  # three of them in the first second
    more = {"contacts": [{"phone_number": number} for number in GOOD[:12]], "duplicates_removed": 0}
    params = {"p_user_id": world.agency.owner, "p_batch_id": batch.id, "p_list": more}

    with world.worker():
        until(lambda: batch.row()["completed"])
        added = database.rpc("append_call_contacts", params)
        until(lambda: batch.status == "completed")

    assert (added["added"], added["duplicates_skipped"]) == (6, 6)
    assert sorted(call["to"] for call in world.dialled()) == sorted(GOOD[:12])
    assert batch.stats()["double_dials"] == 0
