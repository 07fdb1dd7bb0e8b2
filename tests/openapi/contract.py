"""Holds the running stack to the OpenAPI document: requests that schemathesis makes up, answers that it checks."""

from __future__ import annotations

import copy
import hmac
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.batch_call_bodies import LAST_MILLISECOND
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from local.openapi.document import Json
    from tests.factories import Agency

    # Generic, and half unknown to the type checker.
    Operation = Any
    Case = Any
    Response = Any

checks: Any = import_module("schemathesis.specs.openapi.checks")
CHECKS: list[Any] = [
    import_module("schemathesis.checks").not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
FEW = 25
SECRET = "a webhook secret"


def closed(document: Json) -> Json:
    """The document as strict as we are with ourselves: an answer may hold no member that is not described."""
    whole = copy.deepcopy(document)
    schemas: Json = whole["components"]["schemas"]
    answers = [operation["responses"] for path in whole["paths"].values() for operation in path.values()]
    shapes = [schemas[name] for name in _referred(answers, schemas)]
    shapes += [content["schema"] for answer in answers for one in answer.values() for content in _contents(one)]
    for shape in shapes:
        if "properties" in shape:
            shape.setdefault("additionalProperties", False)
    return whole


def _contents(answer: Json) -> Iterable[Json]:
    return answer.get("content", {}).values()


def _referred(node: Any, schemas: Json) -> set[str]:
    names: set[str] = set()
    fresh = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(node)))
    while fresh:
        names |= fresh
        fresh = (
            set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps([schemas[name] for name in names]))) - names
        )
    return names


def operations(document: Json) -> dict[str, Operation]:
    """By operationId, in the order of the document. Credentials are for the clients below, not to be made up."""
    for path in document["paths"].values():
        for operation in path.values():
            operation["security"] = []
    loaded: Any = schemathesis.openapi.from_dict(document)
    found: list[Operation] = [result.ok() for result in loaded.get_all_operations()]
    return {operation.definition.raw["operationId"]: operation for operation in found}


def signed(request: Any) -> Any:
    """Signs a request as the provider does; to be given as `auth`."""
    timestamp = datetime.now(UTC).isoformat()
    body: bytes | str = request.body or b""
    raw = body.encode() if isinstance(body, str) else body
    request.headers["X-Ultravox-Webhook-Timestamp"] = timestamp
    request.headers["X-Ultravox-Webhook-Signature"] = hmac.new(
        SECRET.encode(), raw + timestamp.encode(), "sha256"
    ).hexdigest()
    return request


@dataclass
class Client:
    """One that sends cases with one kind of credentials; `seen` counts the statuses of each operation's answers."""

    url: str
    auth: Callable[[Any], Any]
    seen: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])

    def send(self, name: str, case: Case, *further: Any) -> Response:
        """Raises a group of schemathesis' failures for an answer that the document does not allow."""
        response = case.call(base_url=self.url, auth=self.auth, timeout=60)
        self.seen.setdefault(name, Counter())[response.status_code] += 1
        case.validate_response(response, checks=[*CHECKS, *further])
        return response

    def explore(self, name: str, operation: Operation, real: st.SearchStrategy[Json], examples: int | None) -> None:
        """Sends valid requests and invalid ones, half of them about things that exist."""
        takes_nothing = not (operation.definition.raw.get("parameters") or "requestBody" in operation.definition.raw)
        if takes_nothing:
            self.send(name, operation.Case(query={"limit": "25"}))
        for mode in MODES[:1] if takes_nothing else MODES:

            @settings(
                max_examples=examples or FEW,
                derandomize=examples is None,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
            )
            @given(case=operation.as_strategy(generation_mode=mode), known=st.one_of(st.none(), real))
            def answered_as_described(case: Case, known: Json | None) -> None:
                if known is None:
                    self.send(name, case, checks.negative_data_rejection)
                else:
                    make_real(case, known)
                    self.send(name, case)

            answered_as_described()


def example(operation: Operation) -> Case:
    """The request that the document shows."""
    raw: Json = operation.definition.raw
    shown: dict[str, Json] = {"path": {}, "query": {}, "header": {}}
    for parameter in raw.get("parameters", []):
        if "example" in parameter:
            shown[parameter["in"]][parameter["name"]] = parameter["example"]
    given: Json = {"path_parameters": shown["path"], "query": shown["query"], "headers": shown["header"]}
    if "requestBody" in raw:
        body = copy.deepcopy(raw["requestBody"]["content"]["application/json"]["example"])
        given |= {"body": body, "media_type": "application/json"}
    return operation.Case(**given)


def existing(agency: Agency, batch_id: str, **further: str) -> Json:
    """Values, by field, of what exists in an agency; `further` ones are ids of what not every operation is about."""
    return {
        "batch_id": batch_id,
        "batch_call_id": f"batch_call_{batch_id.replace('-', '')}",
        **{name: value for name, value in further.items() if value},
        "agency_id": str(agency.id),
        "agent_mapping_id": str(agency.agent_mapping_id),
        "agent_id": f"agent_{agency.agent_mapping_id}",
        "campaign_id": str(agency.campaign_id),
        "from_number": agency.from_number,
    }


def real_things(agency: Agency, batch_ids: Sequence[str]) -> st.SearchStrategy[Json]:
    """Values of what exists, all or some, and of what chance would never find."""
    numbers = st.integers(1, 5).map(fictional_numbers)
    lucky = st.fixed_dictionaries(
        {
            "contacts": numbers.map(lambda some: [{"phone_number": number} for number in some]),
            "tasks": numbers.map(lambda some: [{"to_number": number} for number in some]),
            "scheduled_for": st.sampled_from([None, "2099-01-16T09:00:00Z", "2099-01-16T09:00:00-23:22"]),
            "trigger_timestamp": st.sampled_from([None, 4_072_237_200_000, LAST_MILLISECOND]),
            "timezone": st.sampled_from(["UTC", "America/New_York"]),
        }
    )
    things = st.sampled_from(batch_ids).map(lambda batch_id: existing(agency, batch_id))
    left_out = st.just(set[str]()) | st.sets(st.sampled_from(sorted(existing(agency, ""))))
    return st.builds(_without, things, left_out).flatmap(lambda some: lucky.map(lambda more: some | more))


def _without(things: Json, names: set[str]) -> Json:
    return {name: value for name, value in things.items() if name not in names}


def make_real(case: Case, known: Mapping[str, Any]) -> None:
    """Puts what exists where the case has a field of that name. Its parts may be the document's own: it gets copies."""
    for part in ("path_parameters", "query", "body"):
        if isinstance(getattr(case, part), dict):
            given = cast("Json", getattr(case, part))
            setattr(case, part, given | {name: value for name, value in known.items() if name in given})


def statuses(clients: Iterable[Client], name: str) -> set[int]:
    """Every status that an operation was seen to answer."""
    return {status for client in clients for status in client.seen.get(name, ())}
