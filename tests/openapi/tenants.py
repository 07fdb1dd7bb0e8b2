"""Two agencies, each with one of everything, and people who ask for their own and each other's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from local import keys
from local.openapi import document as openapi
from tests.calling import claims
from tests.factories import make_agency, make_api_key
from tests.openapi.contract import example, existing, make_real
from tests.sql.importing import Import
from tests.sql.listing import Listed
from tests.sql.telling import listen
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.openapi.document import Json
    from local.stack import Stack
    from tests.factories import ApiKey, Connection
    from tests.openapi.contract import Case

DOCUMENT: Json = json.loads(openapi.FILE.read_text())
OPERATIONS: dict[str, Json] = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
    if "webhookSignature" not in operation["security"][0]
}
OTHER_NUMBER = "+12125550198"
OF_ONE_ANSWER = {"date", "x-request-id", "server", "content-length"}


class Tenant:
    """An agency with one of everything that a request can name."""

    def __init__(self, db: Connection, name: str) -> None:
        plan = {"max_calls_per_minute": 60_000, "max_concurrent_calls": 10_000, "max_requests_per_minute": 60_000}
        agency = make_agency(db, name, **plan)
        self.world = World(db, agency)
        self.key: ApiKey = make_api_key(db, agency)

    def things(self, operation: str) -> dict[str, str]:
        """By field, what exists in the agency and suits the operation."""
        batch_id = str(self.world.batch_in("draft"))
        job_id = str(Import(self.world).id) if operation == "cancel-historical-sync" else ""
        further = {"job_id": job_id, "id": self.key.id, "contact_id": self.world.contacts(batch_id)[0]["id"]}
        if operation == "notices-replay":
            further["notice_id"] = self.notice()
        if operation == "calls-batch-import-get":
            further["import_id"] = str(Listed(self.world, UUID(batch_id)).id)
        return existing(self.world.agency, batch_id, **further)

    def notice(self) -> str:
        """The id of a notice of the agency."""
        listen(self.world)
        self.world.batch_in("paused")
        return self.world.all("notices")[0]["id"]


class People:
    """Sends a case as somebody, and tells apart what an answer says of who asks from what it says of what is asked."""

    def __init__(self, stack: Stack) -> None:
        self._url, self._issuer = stack.env["FUNCTIONS_URL"], f"{stack.url}/auth/v1"
        self._keys = keys.load_or_make(stack.folder / "keys.json")

    def headers(self, user_id: UUID | None, **changes: object) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys.sign(claims(str(user_id), self._issuer, **changes))}"}

    def send(self, case: Case, headers: Mapping[str, str]) -> httpx.Response:
        case.headers.pop("Idempotency-Key", None)
        response: Any = case.call(base_url=self._url, headers=dict(headers), timeout=60)
        answered = {name: values[0] for name, values in response.headers.items()}
        return httpx.Response(response.status_code, headers=answered, content=response.content)


def told(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """An answer but for what is different each time."""
    text = response.text.replace(response.headers.get("x-request-id", "-"), "")
    return response.status_code, text, {k: v for k, v in response.headers.items() if k not in OF_ONE_ANSWER}


def with_things(operation: Any, things: Json, **other: str) -> Case:
    """The document's example with what exists, and with other values, which it need not show."""
    case = example(operation)
    make_real(case, things)
    if operation.definition.raw["operationId"] == "calls-batch-upload" and "batch_id" in other:
        case.body.clear()  # what is said of a new batch is not said of one that exists
    for field, value in other.items():
        parts = (case.path_parameters, case.query, case.body)
        holding: list[Any] = [part for part in parts if isinstance(part, dict) and field in part]
        holding = holding or [case.body if "requestBody" in operation.definition.raw else case.query]
        holding[0][field] = value
    return case


def credentials(name: str, tenant: Tenant, people: People) -> dict[str, str]:
    of_programs = "apiKey" in OPERATIONS[name]["security"][0]
    return tenant.key.headers if of_programs else people.headers(tenant.world.agency.owner)
