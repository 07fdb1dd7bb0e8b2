"""Calls that are not ours: people calling in, or called from elsewhere."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.factories import make_agent_mapping
from tests.sql import payloads
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.sql.world import World


def strangers_call(world: World) -> payloads.Payloads:
    row: dict[str, Any] = {"began_at": world.time(-600), "to_number": "+12135550123", "from_number": "+12125550100"}
    told = payloads.answered(row | {"agency_id": "", "batch_id": "", "contact_id": "", "id": ""})
    return {word: payload | {"metadata": {}} for word, payload in told.items()}


def the_row(world: World) -> dict[str, Any]:
    rows = world.all("calls")
    assert len(rows) == 1
    return rows[0]


def test_a_call_that_is_not_ours_becomes_a_row_without_contact_or_slot(world: World) -> None:
    agent = make_agent_mapping(world.connection, world.agency.id, ultravox_agent_id="agent-7")

    assert world.tell(strangers_call(world)["joined"] | {"agent": {"agentId": "agent-7", "name": "A"}}) == "imported"

    row = the_row(world)
    assert (row["status"], row["contact_id"], row["is_live"]) == ("answered", None, False)
    assert row["agent_mapping_id"] == str(agent)
    assert (row["to_number"], row["from_number"]) == ("+12135550123", "+12125550100")


def test_every_order_and_repeat_gives_the_same_row(world: World) -> None:
    told = strangers_call(world)

    seen: list[object] = []
    for order in permutations(told):
        with world.connection.transaction(force_rollback=True):
            for word in (*order, *order):
                world.tell(told[word])
            seen.append({key: value for key, value in the_row(world).items() if key != "id"})

    assert all(row == seen[0] for row in seen)


def test_the_first_word_imports_later_words_apply_and_repeats_change_nothing(world: World) -> None:
    told = strangers_call(world)

    assert [world.tell(told[word]) for word in payloads.ROUND] == ["imported", "applied", "applied", "applied"]
    before = world.snapshot()
    assert [world.tell(told[word]) for word in payloads.ROUND] == ["unchanged"] * 4

    assert world.snapshot() == before
    row = the_row(world)
    assert (row["status"], row["outcome"], row["duration_seconds"]) == ("ended", "answered", 42)
    assert row["billing_status"] == "BILLING_STATUS_BILLED"


def test_an_earlier_word_does_not_take_an_answered_call_back_to_ringing(world: World) -> None:
    told = strangers_call(world)
    world.tell(told["joined"])
    before = the_row(world)

    world.tell(told["started"])

    assert the_row(world) == before


def test_a_call_with_next_to_nothing_is_imported(world: World) -> None:
    assert world.tell({"callId": str(uuid4())}) == "imported"
    assert_sound(world.connection)
