"""The document itself: contracts, schemas and examples put together, and whether the committed one is current."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from local.openapi import contracts, refusals
from local.openapi.contracts import ContractError
from local.openapi.kinds import PATH_PARAMETERS, SECURITY_SCHEMES
from local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import core_schema

    from local.openapi.contracts import Contract

Json = dict[str, Any]

FILE = ROOT / "docs" / "openapi.json"
EXAMPLES = Path(__file__).parent / "examples"
DESCRIPTION = """Batchline calls lists of people through the Ultravox API: no faster than allowed, only when they may be
called, and never anyone twice by accident.

Times are ISO 8601, in UTC with `Z` where we say them. A body is a JSON object of at most 4 MB; a field that is not
known is refused. Answers may gain members at any time: ignore those you do not know."""
SERVERS = [
    {"url": "/functions/v1", "description": "The local stack that serves this document."},
    {
        "url": "https://{host}",
        "description": "A deployed stage: the HTTP API's endpoint.",
        "variables": {"host": {"default": "api.example.com"}},
    },
]
# The first whose words are in a function's name.
TAGS: Mapping[str, tuple[str, str]] = {
    "calls-batch": ("Batches", "Lists of people to call, for users who have signed in."),
    "batch-call": ("Batch calls", "The same batches, for programs with an API key."),
    "api-keys": ("API keys", "Keys for programs."),
    "notices": ("Notices", "What your own system is told, as signed webhooks."),
    "agents": ("Agents", "The voice agents that the provider has."),
    "sync": ("Historical sync", "The import of past calls."),
    "webhook": ("Webhooks", "What the provider tells us."),
    "": ("Further", "All the rest."),
}


@dataclass(frozen=True)
class Example:
    """What is in examples/<function>.json: bodies that the tests hold against the schemas and against real answers."""

    request: Json
    answer: Any = None
    refusals: Mapping[str, Sequence[Json]] = field(default_factory=dict[str, "Sequence[Json]"])


def build() -> Json:
    """The document. Raises ContractError for whatever it would lack."""
    read = contracts.read_all()
    inputs, schemas = _schemas(read)
    used = {_tag(contract) for contract in read}
    paths: Json = {}
    for contract in read:
        paths.setdefault(contract.path, {})[contract.method.lower()] = _operation(contract, inputs, schemas)
    named = _referred(paths, schemas | refusals.SCHEMAS)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Batchline",
            "version": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": SERVERS,
        "tags": [{"name": name, "description": about} for name, about in TAGS.values() if name in used],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(named.items())),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


class _Schema(GenerateJsonSchema):
    """Fields have names; a title that repeats them says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> Json:
        return _without_title(super().typed_dict_schema(schema))

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        return _without_title(super().model_schema(schema))


def _without_title(schema: Json) -> Json:
    return {name: value for name, value in schema.items() if name != "title"}


def _schemas(read: Sequence[Contract]) -> tuple[dict[tuple[str, str], Json], Json]:
    """The schema of each function's request and answer, by function and mode, and the named ones they refer to."""
    wanted = [(one.function, "validation", TypeAdapter(one.request)) for one in read]
    wanted += [(one.function, "serialization", TypeAdapter(one.answer)) for one in read if one.answer]
    found, whole = TypeAdapter.json_schemas(
        wanted,  # pyright: ignore[reportArgumentType] - a list of two literals is no list of either
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schema,
    )
    named: Json = whole.get("$defs", {})
    for name, schema in named.items():
        if not schema.get("description"):
            raise ContractError(f"The model {name} needs a docstring: it is its description.")
    return {(str(function), str(mode)): dict(schema) for (function, mode), schema in found.items()}, named


def _operation(contract: Contract, found: Mapping[tuple[str, str], Json], named: Json) -> Json:
    example = _example(contract.function)
    request = _beside_path(contract, found[contract.function, "validation"], named)
    operation: Json = {
        "operationId": contract.function,
        "tags": [_tag(contract)],
        "summary": contract.summary,
        **_described(contract),
        "security": contract.kind.security,
    }
    parameters = [*_path_parameters(contract), *contract.kind.parameters]
    if contract.method == "GET":
        parameters += _query_parameters(_named(request, named), example)
    if parameters:
        operation["parameters"] = parameters
    if contract.method in {"POST", "PATCH", "PUT"} and _named(request, named).get("properties"):
        operation["requestBody"] = {
            "required": bool({"required", "minProperties"} & set(_named(request, named))),
            "content": {"application/json": {"schema": request, "example": example.request}},
        }
    return operation | {"responses": _responses(contract, example, found.get((contract.function, "serialization")))}


def _described(contract: Contract) -> Json:
    role = "Only for agency_owner and agency_admin." if contract.writes else ""
    description = "\n\n".join(part for part in (contract.description, role) if part)
    return {"description": description} if description else {}


def _responses(contract: Contract, example: Example, answer: Json | None) -> Json:
    responses: Json = {str(contract.status): _success(contract, example, answer)}
    without_body = contract.method in {"GET", "DELETE"}
    statuses = refusals.statuses(contract.errors) + ([] if without_body else [413])
    unknown = set(example.refusals) - {str(status) for status in statuses}
    if unknown:
        raise ContractError(f"examples/{contract.function}.json refuses with {sorted(unknown)}, the function does not.")
    for status in sorted(set(statuses)):
        given = refusals.examples(
            status,
            example.refusals.get(str(status), ()),
            contract.served,
            contract.failure,
            by_api_key=contract.kind.enveloped,
        )
        message = contract.failure if contract.kind.enveloped else None
        responses[str(status)] = refusals.response(status, given, message)
    return responses


def _success(contract: Contract, example: Example, answer: Json | None) -> Json:
    headers = {"X-Request-Id": refusals.X_REQUEST_ID | {"required": True}, **contract.kind.headers}
    success: Json = {"description": HTTPStatus(contract.status).phrase, "headers": headers}
    if answer is None:
        return success
    if example.answer is None:
        raise ContractError(f"examples/{contract.function}.json needs an `answer`.")
    shown, schema = example.answer, answer
    if contract.kind.enveloped:
        around: Json = {"message": contract.success, "status": "success", "error": None}
        shown, schema = around | {"data": shown}, _envelope(around, answer)
    return success | {"content": {"application/json": {"schema": schema, "example": shown}}}


def _envelope(around: Json, data: Json) -> Json:
    properties = {name: {"const": value} for name, value in around.items()} | {"data": data}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _path_parameters(contract: Contract) -> list[Json]:
    names: list[str] = re.findall(r"{(\w+)}", contract.path)
    unknown = [name for name in names if name not in PATH_PARAMETERS]
    if unknown:
        raise ContractError(f"{contract.path}: describe {', '.join(unknown)} in PATH_PARAMETERS of kinds.py.")
    return [{"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]} for name in names]


def _query_parameters(schema: Json, example: Example) -> list[Json]:
    required: list[str] = schema.get("required", [])
    properties: Mapping[str, Json] = schema.get("properties", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _never_null(about),
            **({"example": example.request[name]} if name in example.request else {}),
        }
        for name, about in properties.items()
    ]


def _never_null(schema: Json) -> Json:
    """A query has no null: what is not asked for is left out."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return rest | choices[0] if len(choices) == 1 else schema


def _beside_path(contract: Contract, schema: Json, named: Json) -> Json:
    """What of the request is not in the path."""
    whole = _named(schema, named)
    rest = {name: about for name, about in whole.get("properties", {}).items() if f"{{{name}}}" not in contract.path}
    if rest == whole.get("properties", {}):
        return schema
    return whole | {"properties": rest, "required": [name for name in whole.get("required", []) if name in rest]}


def _named(schema: Json, named: Json) -> Json:
    return named[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _referred(node: Any, schemas: Json) -> Json:
    """Those of the schemas that `node` refers to, or they refer to: a query's model is written out where it is used."""
    found: Json = {}
    waiting = [node]
    while waiting:
        names: list[str] = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(waiting.pop()))
        fresh = [name for name in dict.fromkeys(names) if name not in found]
        found |= {name: schemas[name] for name in fresh}
        waiting += [schemas[name] for name in fresh]
    return found


def _tag(contract: Contract) -> str:
    return next(name for words, (name, _) in TAGS.items() if words in contract.function)


def _example(function: str) -> Example:
    file = EXAMPLES / f"{function}.json"
    if not file.exists():
        raise ContractError(
            f"{file.relative_to(ROOT)} is missing: it holds `request` (a body, or a query), `answer` (unless there is "
            "none) and, by status, `refusals`."
        )
    return Example(**json.loads(file.read_text()))
