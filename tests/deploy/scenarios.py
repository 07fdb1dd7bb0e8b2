"""What every function is there for, once each: all that it asks of AWS, under the role that it has there."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import boto3  # pyright: ignore[reportMissingTypeStubs]
import botocore.session  # pyright: ignore[reportMissingTypeStubs]
import httpx
import pytest
from aws_lambda_powertools.utilities import parameters
from botocore.loaders import Loader  # pyright: ignore[reportMissingTypeStubs]

from local.aws import queue_url
from local.functions import Context
from shared import dispatch, lists, results, storage
from shared.settings import settings
from tests.accounts import with_agents
from tests.calling import FUNCTIONS, call
from tests.factories import batch_body, batch_call_body, make_api_key
from tests.functions.test_every_endpoint import ENDPOINTS
from tests.sql.importing import Import

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.deploy.rights import Gate
    from tests.factories import ApiKey
    from tests.functions.conftest import Sign
    from tests.sql.world import World

NUMBER = "+12135550123"
STRANGER = httpx.Client(trust_env=False)  # whoever has a link
DESCRIPTIONS: Any = cast("Any", Loader)()


class Scene:
    """An agency, and whoever asks for it; `acting` is the part in which a function's own role counts."""

    def __init__(self, world: World, sign: Sign, gate: Gate) -> None:
        self.world, self.gate = world, gate
        self.owner = sign(world.agency.owner)
        self.key: ApiKey = make_api_key(world.connection, world.agency)

    @contextmanager
    def acting(self, name: str, **further: str) -> Generator[None]:
        """From here on it is the function whose key signs."""
        with pytest.MonkeyPatch.context() as environment:
            for setting, value in {"AWS_ACCESS_KEY_ID": name, "AWS_ENDPOINT_URL": self.gate.url, **further}.items():
                environment.setenv(setting, value)
            _forget()
            try:
                yield
            finally:
                environment.undo()
                _forget()

    def ask(self, name: str, batch_call_id: str = "", body: object = None, **headers: str) -> Any:
        """A request of the batch-call contract; the `data` of its answer."""
        methods = {"batch-call-update": "PATCH", "batch-call-execute": "POST", "batch-call-delete": "DELETE"}
        method = methods.get(name, "GET" if body is None else "POST")
        path = {"batch_call_id": batch_call_id} if batch_call_id else {}
        reply = call(name, method=method, headers={**self.key.headers, **headers}, path_parameters=path, body=body)
        assert reply.status in (200, 201), reply.text
        return reply.body["data"]

    def draft(self) -> str:
        body = batch_call_body(self.world.agency, [{"to_number": NUMBER}], status="draft")
        return self.ask("batch-call-create", body=body)["batch_call_id"]

    def empty(self, queue: str) -> None:
        """Take what others have left: a run sends nothing while its queue is behind."""
        sqs: Any = cast("Any", boto3).client("sqs")
        while left := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in left:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        sqs.close()

    def upload(self, content: bytes) -> str:
        """A list, asked for and put; the import's id."""
        body = {name: value for name, value in batch_body(self.world.agency).items() if name != "contacts"}
        asked = call("calls-batch-upload", self.owner, body=body).body
        if content:
            put = STRANGER.put(asked["upload_url"], content=content, headers={"Content-Type": "text/csv"})
            put.raise_for_status()
        return asked["import_id"]


def _forget() -> None:
    """Leave no client with other credentials; what boto3 has read of each service's description stays."""
    session: Any = cast("Any", botocore.session).Session()
    session.register_component("data_loader", DESCRIPTIONS)
    cast("Any", boto3).setup_default_session(botocore_session=session)
    settings.cache_clear()
    parameters.clear_caches()
    dispatch.close()
    storage.close()


def read(link: str) -> bytes:
    return STRANGER.get(link).raise_for_status().content


def half_a_file(prefix: str) -> None:
    """An object of several parts whose writer fails."""
    with suppress(ArithmeticError), storage.upload(f"{prefix}/half.csv", "text/csv") as file:
        file.write(bytes(storage.PART_BYTES))
        raise ArithmeticError


def cancels(scene: Scene) -> None:
    call_id = scene.world.call_in("answered")
    with scene.acting("calls-batch-cancel"):
        body = {"batch_id": str(scene.world.call(call_id)["batch_id"]), "hang_up": True}
        assert call("calls-batch-cancel", scene.owner, body=body).status == 200


def uploads(scene: Scene) -> None:
    with scene.acting("calls-batch-upload"):
        scene.upload(b"phone_number\r\n")


def reads_a_report(scene: Scene) -> None:
    import_id = scene.upload(b"phone_number\r\n555\r\n")
    lists.process(lambda: 60_000)
    with scene.acting("calls-batch-import-get"):
        told = call("calls-batch-import-get", scene.owner, query={"import_id": import_id}).body
        assert b"is no phone number" in read(told["report_url"])


def processes_lists(scene: Scene) -> None:
    people = f"phone_number\r\n{NUMBER}\r\n555\r\n".encode()
    awaited, arrived = scene.upload(b""), scene.upload(people)
    with scene.acting("process-contact-imports"):
        answer = import_module("functions.process-contact-imports.handler").main({}, None)
        half_a_file("imports")
    assert [(one["import_id"], one["status"]) for one in answer["results"]] == [(arrived, "completed")]
    assert [row["status"] for row in scene.world.all("contact_imports") if row["id"] == awaited] == ["pending"]
    serves_its_queue("process-contact-imports", lambda _: scene.upload(people))(scene)


def imports_agents(scene: Scene) -> None:
    with_agents(scene.world)
    with scene.acting("agents-sync"):
        assert call("agents-sync", scene.owner, body={}).status == 200


def stores_tasks(scene: Scene) -> None:
    body = batch_call_body(scene.world.agency, [{"to_number": NUMBER}], status="draft")
    with scene.acting("batch-call-create"):
        first, again = (scene.ask("batch-call-create", body=body, **{"Idempotency-Key": "k"}) for _ in range(2))
        assert again["batch_call_id"] == first["batch_call_id"]  # its own list is thrown away again
        assert json.loads(read(first["tasks_url"]))[0]["to_number"] == NUMBER


def shows_tasks(name: str, body: object = None) -> Callable[[Scene], None]:
    def scenario(scene: Scene) -> None:
        batch_call_id = scene.draft()
        with scene.acting(name):
            shown = scene.ask(name, "" if name == "batch-call-list" else batch_call_id, body)
            one = shown["batch_calls"][0] if name == "batch-call-list" else shown
            assert json.loads(read(one["tasks_url"]))[0]["to_number"] == NUMBER

    return scenario


def deletes_tasks(scene: Scene) -> None:
    batch_call_id = scene.draft()
    with scene.acting("batch-call-delete"):
        scene.ask("batch-call-delete", batch_call_id)


def asks_for_the_signature(name: str) -> Callable[[Scene], None]:
    def scenario(scene: Scene) -> None:
        stamp = {"X-Ultravox-Webhook-Timestamp": "2026-01-01T00:00:00Z", "X-Ultravox-Webhook-Signature": "0" * 64}
        path = {"agency_id": str(scene.world.agency.id)}
        with scene.acting(name):
            assert call(name, body={"event": "call.ended"}, headers=stamp, path_parameters=path).status == 401

    return scenario


def exports(scene: Scene) -> None:
    batch_id = scene.world.create([NUMBER])
    page = results._page  # pyright: ignore[reportPrivateUsage]

    def erased_after(*asked: Any) -> Any:
        found = page(*asked)
        scene.world.verb("erase_person", p_user_id=scene.world.agency.owner, p_phone_number=NUMBER)
        return found

    with scene.acting("calls-batch-export"), pytest.MonkeyPatch.context() as patch:
        body = {"batch_id": str(batch_id)}
        assert b"contact_id" in read(call("calls-batch-export", scene.owner, body=body).body["url"])
        patch.setattr(results, "_page", erased_after)
        assert call("calls-batch-export", scene.owner, body=body).status == 409
        half_a_file("exports")


def erases(scene: Scene) -> None:
    scene.draft()
    gone = UUID(scene.draft().removeprefix("batch_call_"))
    scene.world.set("call_batches", gone, tasks_object="batch-calls/none/tasks.json")
    batch_id = scene.world.create([NUMBER])
    assert call("calls-batch-export", scene.owner, body={"batch_id": str(batch_id)}).status == 200
    with scene.acting("person-erase"):
        reply = call("person-erase", scene.owner, body={"phone_number": NUMBER})
        half_a_file("imports")
    assert (reply.status, reply.body["changed"]["objects"]) == (200, 2)


def serves_its_queue(name: str, prepare: Callable[[World], object]) -> Callable[[Scene], None]:
    """The scheduled run sends a message for the agency; the message is then served."""

    def scenario(scene: Scene) -> None:
        prepare(scene.world)
        function, queue = FUNCTIONS[name], queue_url(scene.gate.url, name)
        scene.empty(queue)
        with scene.acting(name, DISPATCH_QUEUE_URL=queue):
            sent = function.resolve()({}, Context(function))
            assert sent["dispatched"] >= 1
            message = {"agency_id": str(scene.world.agency.id), "seconds": 0.1}
            record = {"messageId": "one", "body": json.dumps(message), "eventSource": "aws:sqs"}
            answer = function.resolve()({"Records": [record]}, Context(function))
        assert answer == {"batchItemFailures": []}

    return scenario


SCENARIOS: dict[str, Callable[[Scene], None]] = {
    "calls-batch-cancel": cancels,
    "calls-batch-upload": uploads,
    "calls-batch-import-get": reads_a_report,
    "agents-sync": imports_agents,
    "batch-call-create": stores_tasks,
    "batch-call-list": shows_tasks("batch-call-list"),
    "batch-call-get": shows_tasks("batch-call-get"),
    "batch-call-update": shows_tasks("batch-call-update", {"name": "Another"}),
    "batch-call-execute": shows_tasks("batch-call-execute", {}),
    "batch-call-delete": deletes_tasks,
    "call-opt-out": asks_for_the_signature("call-opt-out"),
    "webhook-ingest": asks_for_the_signature("webhook-ingest"),
    "calls-batch-export": exports,
    "person-erase": erases,
    "process-contact-imports": processes_lists,
    "calls-batch-process": serves_its_queue("calls-batch-process", lambda world: world.batch_in("processing")),
    "process-historical-sync": serves_its_queue("process-historical-sync", Import),
}


def tells_an_agency(scene: Scene) -> None:
    here = {"NOTICES_ALLOW_HTTP": "true", "NOTICES_ALLOW_PRIVATE": "true"}
    function = FUNCTIONS["process-notices"]
    with scene.acting("process-notices", **here):
        body = {"url": "http://127.0.0.1:9/hooks", "events": ["batch.paused"]}  # where nobody listens
        assert call("notices-endpoint-set", scene.owner, body=body).status == 200
        scene.world.batch_in("paused")
        function.resolve()({}, Context(function))
    (notice,) = scene.world.all("notices")
    assert notice["attempts"] >= 1


def lists_tasks(scene: Scene) -> None:
    batch_call_id = scene.draft()
    with scene.acting("batch-call-tasks"):
        assert len(scene.ask("batch-call-tasks", batch_call_id)["tasks"]) == 1


def is_well(scene: Scene) -> None:
    with scene.acting("health"):
        assert call("health").status == 200


def serves_a_person(endpoint: Any) -> Callable[[Scene], None]:
    def scenario(scene: Scene) -> None:
        good = endpoint.good(scene.world)
        with scene.acting(endpoint.name):
            assert endpoint.ask(scene.owner, good).status in (200, 201)

    return scenario


WITHOUT_RIGHTS: dict[str, Callable[[Scene], None]] = {
    "process-notices": tells_an_agency,
    "batch-call-tasks": lists_tasks,
    "health": is_well,
    **{one.name: serves_a_person(one) for one in ENDPOINTS if one.name not in SCENARIOS},
}
