from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared import results, storage
from shared.database import rpc_as
from tests.calling import call
from tests.functions.conftest import forget
from tests.functions.test_person_erase import objects
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.factories import Connection

    Row = dict[str, str]

ADA = {
    "phone_number": "+12135550123", "first_name": "Zoë", "last_name": "=cmd|' /C calc'!A0", "email": "zoe@example.com",
    "company": "Łódź, \"Inc\"", "timezone": "America/Los_Angeles", "custom_data": {"plan": "gold", "note": "@home"},
}  # fmt: skip


def export(token: str, batch_id: UUID, **more: object) -> Any:
    reply = call("calls-batch-export", token, body={"batch_id": str(batch_id), **more})
    assert reply.status == 200, reply.text
    return reply.body


def rows_of(answer: Mapping[str, Any]) -> list[Row]:
    file = httpx.get(answer["url"]).raise_for_status()
    return list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))


def test_each_contact_is_a_row_with_what_became_of_it(member: str, world: World) -> None:
    batch_id = world.processing([ADA, {"phone_number": "+12135550124", "custom_data": {"plan": "silver"}}])
    call_id, waiting = sorted(world.dial(2), key=lambda one: world.call(one)["to_number"])
    world.accept([call_id])
    told = world.call(call_id)
    world.finish(call_id, talk_seconds=42)
    world.set("calls", call_id, summary="They spoke of -5 °C;=1+1")

    answer = export(member, batch_id)

    first, second = rows_of(answer)
    assert answer["rows"] == 2
    assert answer["next_cursor"] is None
    assert {name: first[name] for name in ("first_name", "last_name", "email", "company", "timezone")} == {
        "first_name": "Zoë", "last_name": "'=cmd|' /C calc'!A0", "email": "zoe@example.com", "company": 'Łódź, "Inc"',
        "timezone": "America/Los_Angeles",
    }  # fmt: skip
    assert first["phone_number"] == "'+12135550123"
    assert (first["status"], first["outcome"], first["attempts"], first["duration_seconds"]) == (
        "completed", "answered", "1", "42"
    )  # fmt: skip
    assert first["summary"] == "They spoke of -5 °C;'=1+1"
    assert (first["plan"], first["note"], second["plan"], second["note"]) == ("gold", "'@home", "silver", "")
    assert (first["contact_id"], first["call_id"]) == (told["contact_id"], str(call_id))
    assert first["completed_at"].endswith("Z")
    assert (second["status"], second["call_id"]) == ("in_progress", str(waiting))


def test_with_calls_each_attempt_is_a_row(owner: str, world: World) -> None:
    call_id = world.call_in("ended", contacts=2, retry={"delay_minutes": 0})
    batch_id = UUID(world.call(call_id)["batch_id"])
    (again,) = (one for one in world.dial(2) if world.call(one)["contact_id"] == world.call(call_id)["contact_id"])

    answer = export(owner, batch_id, calls=True)

    rows = rows_of(answer)
    assert answer["rows"] == len(rows) == 3
    assert [(row["call_id"], row["attempt"], row["status"], row["outcome"]) for row in rows[:2]] == [
        (str(call_id), "1", "ended", "no_answer"), (str(again), "2", "dialing", "")
    ]  # fmt: skip


def test_a_batch_without_contacts_that_were_called_has_a_file_with_a_header_alone(owner: str, world: World) -> None:
    answer = export(owner, world.batch_in("draft"), calls=True)

    assert answer["rows"] == 0
    assert rows_of(answer) == []


def test_every_contact_is_there_once_however_many_pages_it_takes(
    owner: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PAGE_ROWS", 7)
    batch_id = world.create(50)

    numbers = [row["phone_number"] for row in rows_of(export(owner, batch_id))]

    assert numbers == [f"'{one['phone_number']}" for one in world.contacts(batch_id)]


def test_a_file_that_runs_out_of_time_says_where_the_next_one_begins(
    owner: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PAGE_ROWS", 20)
    monkeypatch.setenv("EXPORT_SECONDS", "0.000001")
    forget()
    batch_id = world.create(50)

    answers = [export(owner, batch_id)]
    while answers[-1]["next_cursor"] is not None:
        answers.append(export(owner, batch_id, cursor=str(answers[-1]["next_cursor"])))

    assert [answer["rows"] for answer in answers] == [20, 20, 10]
    numbers = [row["phone_number"] for answer in answers for row in rows_of(answer)]
    assert numbers == [f"'{one['phone_number']}" for one in world.contacts(batch_id)]
    monkeypatch.undo()
    forget()


def test_a_file_of_many_parts_is_whole(owner: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PART_BYTES", 5 * 1024 * 1024)
    note = "x" * 5000
    batch_id = world.create([{"phone_number": n, "custom_data": {"note": note}} for n in world.numbers(2500)])

    answer = export(owner, batch_id)

    rows = rows_of(answer)
    assert answer["rows"] == len(rows) == 2500
    assert {row["note"] for row in rows} == {note}


def test_a_file_that_could_not_be_finished_leaves_nothing(
    owner: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = world.create(10)

    def fails(*_: object) -> Any:
        raise ConnectionError

    monkeypatch.setattr(results, "_page", fails)
    reply = call("calls-batch-export", owner, body={"batch_id": str(batch_id)})

    assert reply.error == (500, "Failed to export batch")
    assert objects(f"exports/{world.agency.id}/") == []


def test_a_person_who_is_erased_while_the_file_is_written_is_in_no_file(
    owner: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = "+12135550123"
    batch_id = world.create([number, *world.numbers(3)])
    page = results._page  # pyright: ignore[reportPrivateUsage]

    def erased_after(*asked: Any) -> Any:
        read = page(*asked)
        assert call("person-erase", owner, body={"phone_number": number}).status == 200
        return read

    monkeypatch.setattr(results, "_page", erased_after)
    reply = call("calls-batch-export", owner, body={"batch_id": str(batch_id)})

    assert (reply.status, reply.body["code"]) == (409, "person_erased")
    assert objects(f"exports/{world.agency.id}/") == []


def test_the_link_downloads_a_file_named_after_the_batch(owner: str, world: World) -> None:
    answer = export(owner, world.create(1, name='Q1: "Outreach" / Łódź'))

    file = httpx.get(answer["url"]).raise_for_status()

    assert file.headers["content-disposition"] == 'attachment; filename="Q1-Outreach-d-contacts.csv"'
    assert file.headers["content-type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize("function", ["export_contacts", "export_calls"])
def test_pages_are_read_as_the_caller_who_sees_no_other_agencys_batch(
    db: Connection, world: World, owner: str, function: str
) -> None:
    from shared.tokens import caller

    theirs = World(db)
    theirs.call_in("ended")
    batch_id = theirs.all("call_batches")[0]["id"]
    assert world.agency.id

    page = rpc_as(caller(f"Bearer {owner}"), function, {"p_batch_id": batch_id, "p_after": -1, "p_limit": 10})

    assert page == {"rows": [], "next": None}


def test_there_is_no_export_of_a_batch_that_there_is_not(owner: str) -> None:
    reply = call("calls-batch-export", owner, body={"batch_id": str(uuid4())})

    assert reply.body["code"] == "batch_not_found"
