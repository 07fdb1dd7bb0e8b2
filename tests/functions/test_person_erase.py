from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import boto3  # pyright: ignore[reportMissingTypeStubs]
import httpx

from shared.settings import settings
from tests.calling import call
from tests.factories import batch_call_body

if TYPE_CHECKING:
    import io

    from tests.calling import Reply
    from tests.factories import ApiKey
    from tests.sql.world import World

NUMBER = "+12135550123"


def erase(token: str, number: str = NUMBER) -> Reply:
    return call("person-erase", token, body={"phone_number": number})


def objects(prefix: str) -> list[str]:
    """The names of what is in object storage under a prefix."""
    client: Any = cast("Any", boto3).client("s3")
    found = client.list_objects_v2(Bucket=settings().storage_bucket, Prefix=prefix).get("Contents", [])
    client.close()
    return [one["Key"] for one in found]


def test_the_answer_says_what_was_changed_and_shows_no_number(owner: str, world: World) -> None:
    world.create([NUMBER, *world.numbers(1)])

    reply = erase(owner, "+1 (213) 555-0123")

    assert reply.status == 200
    number_hash = reply.body["number_hash"]
    assert reply.body == {
        "success": True,
        "number_hash": number_hash,
        "changed": {"contacts": 1, "calls": 0, "events": 0, "do_not_call": 0, "notes": 0, "objects": 0},
    }
    (erasure,) = world.all("erasures")
    assert (erasure["number_hash"], erasure["created_by"]) == (number_hash, str(world.agency.owner))


def test_the_list_as_a_program_sent_it_names_them_no_more(owner: str, world: World, key: ApiKey) -> None:
    others = world.numbers(2)
    tasks = [{"to_number": one, "dynamic_variables": {"name": "Ada"}} for one in (others[0], NUMBER, others[1])]
    call("batch-call-create", body=batch_call_body(world.agency, tasks), headers=key.headers)
    (batch,) = world.all("call_batches")

    first, again = erase(owner).body, erase(owner).body

    kept = json.loads(stored(batch["tasks_object"]))
    assert [task["to_number"] for task in kept] == [others[0], first["number_hash"], others[1]]
    assert "dynamic_variables" not in kept[1]
    assert (first["changed"]["objects"], again["changed"]["objects"]) == (1, 0)


def test_a_list_that_is_gone_is_nothing_to_change(owner: str, world: World, key: ApiKey) -> None:
    call(
        "batch-call-create",
        body=batch_call_body(world.agency, [{"to_number": NUMBER}], status="draft"),
        headers=key.headers,
    )
    (batch,) = world.all("call_batches")
    world.set("call_batches", UUID(batch["id"]), tasks_object="batch-calls/none/tasks.json")

    assert erase(owner).body["changed"]["objects"] == 0


def test_files_that_were_exported_before_are_gone(owner: str, world: World) -> None:
    batch_id = world.create([NUMBER])
    links = [call("calls-batch-export", owner, body={"batch_id": str(batch_id)}).body["url"] for _ in range(2)]
    assert len(objects(f"exports/{world.agency.id}/")) == 2

    assert erase(owner).body["changed"]["objects"] == 2

    assert objects(f"exports/{world.agency.id}/") == []
    assert not any(httpx.get(link).is_success for link in links)


def test_what_failed_after_the_rows_is_made_good_by_asking_again(owner: str, world: World, key: ApiKey) -> None:
    call("batch-call-create", body=batch_call_body(world.agency, [{"to_number": NUMBER}]), headers=key.headers)
    (batch,) = world.all("call_batches")
    world.verb("erase_person", p_user_id=world.agency.owner, p_phone_number=NUMBER)  # a worker that died here
    assert NUMBER in stored(batch["tasks_object"])

    assert erase(owner).body["changed"]["objects"] == 1

    assert NUMBER not in stored(batch["tasks_object"])


def test_a_person_who_is_being_called_is_not_erased(owner: str, world: World) -> None:
    call_id = world.call_in("ringing")

    reply = erase(owner, world.call(call_id)["to_number"])

    assert (reply.status, reply.body["code"]) == (409, "call_live")


def test_the_log_shows_no_number(owner: str, log: io.StringIO) -> None:
    erase(owner)

    assert "answered" in log.getvalue()
    assert "5550123" not in log.getvalue()


def stored(name: str) -> str:
    client: Any = cast("Any", boto3).client("s3")
    content = client.get_object(Bucket=settings().storage_bucket, Key=name)["Body"].read().decode()
    client.close()
    return content
