"""The links that answers carry: each opens one object, for an hour, and nothing opens without one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import boto3  # pyright: ignore[reportMissingTypeStubs]
import httpx
import pytest

from local.openapi.document import FILE
from shared.settings import settings
from tests.calling import call
from tests.factories import batch_body, batch_call_body, make_api_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sql.world import World

    Link = tuple[str, str | None]  # and the end that the answer names, if it does

process = import_module("functions.process-contact-imports.handler").main
HOUR = timedelta(hours=1)
AT_MOST = timedelta(seconds=10)  # between the link and the answer
NOT_OURS = {"NewNoticeEndpoint.url", "NoticeEndpoint.url", "NoticeEndpointSet.url"}  # where an agency is told


def tasks(world: World, _owner: str) -> Link:
    key = make_api_key(world.connection, world.agency)
    made = call("batch-call-create", body=batch_call_body(world.agency), headers=key.headers).body["data"]
    return made["tasks_url"], None


def upload(world: World, owner: str) -> Link:
    new = {name: value for name, value in batch_body(world.agency).items() if name != "contacts"}
    made = call("calls-batch-upload", owner, body=new).body
    return made["upload_url"], made["expires_at"]


def report(world: World, owner: str) -> Link:
    world.connection.execute("delete from public.contact_imports")
    asked = call("calls-batch-upload", owner, body={"batch_id": str(world.batch_in("draft"))}).body
    sent = httpx.put(asked["upload_url"], content=b"phone_number\r\n555\r\n", headers={"Content-Type": "text/csv"})
    sent.raise_for_status()
    process({}, None)
    return call("calls-batch-import-get", owner, query={"import_id": asked["import_id"]}).body["report_url"], None


def export(world: World, owner: str) -> Link:
    made = call("calls-batch-export", owner, body={"batch_id": str(world.create(2))}).body
    return made["url"], made["expires_at"]


LINKS: dict[str, Callable[[World, str], Link]] = {
    "BatchCall.tasks_url": tasks,
    "CreatedBatchCall.tasks_url": tasks,
    "CreatedImport.upload_url": upload,
    "ContactImport.report_url": report,
    "Export.url": export,
}
every = pytest.mark.parametrize("make", dict.fromkeys(LINKS.values()), ids=lambda make: make.__name__)


@pytest.fixture
def s3() -> Iterator[Any]:
    client = cast("Any", boto3).client("s3")
    yield client
    client.close()


def key_of(url: str) -> str:
    """The name of the object that a link opens."""
    return httpx.URL(url).path.partition(f"/{settings().storage_bucket}/")[2]


def test_every_link_of_an_answer_is_looked_at_here() -> None:
    schemas: dict[str, Any] = json.loads(FILE.read_text())["components"]["schemas"]
    found = {
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field in schema.get("properties", ())
        if "url" in field
    }

    assert found - NOT_OURS == LINKS.keys()


@every
def test_a_link_ends_an_hour_after_it_was_made(make: Callable[[World, str], Link], world: World, owner: str) -> None:
    url, named_end = make(world, owner)
    signed = httpx.URL(url).params
    made_at = datetime.strptime(signed["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    assert timedelta(0) <= datetime.now(UTC) - made_at <= AT_MOST
    assert timedelta(seconds=int(signed["X-Amz-Expires"])) == HOUR
    assert signed["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"  # over all of it, the lifetime too
    assert len(signed["X-Amz-Signature"]) == 64
    if named_end:
        assert abs(datetime.fromisoformat(named_end) - (made_at + HOUR)) <= AT_MOST


@every
def test_what_a_link_opens_is_closed_without_its_signature(
    make: Callable[[World, str], Link], world: World, owner: str, s3: Any
) -> None:
    url, _ = make(world, owner)
    if make is upload:
        httpx.put(url, content=b"phone_number\r\n", headers={"Content-Type": "text/csv"}).raise_for_status()
    bare = str(httpx.URL(url).copy_with(query=None))
    acl = s3.get_object_acl(Bucket=settings().storage_bucket, Key=key_of(url))

    assert s3.get_object(Bucket=settings().storage_bucket, Key=key_of(url))["Body"].read()
    assert httpx.get(bare).status_code == 403
    assert [grant["Grantee"]["ID"] for grant in acl["Grants"]] == [acl["Owner"]["ID"]]


@every
def test_nobody_can_work_out_the_name_of_what_a_link_opens(
    make: Callable[[World, str], Link], world: World, owner: str
) -> None:
    drawn = [
        {UUID(part) for part in re.findall(r"[0-9a-f-]{36}", key_of(make(world, owner)[0]))} - {world.agency.id}
        for _ in range(2)
    ]

    assert all(drawn)
    assert not drawn[0] & drawn[1]
    assert {one.version for one in drawn[0] | drawn[1]} == {4}
