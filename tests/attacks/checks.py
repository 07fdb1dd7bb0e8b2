"""What every answer must be, whoever asked for whatever: described, no failure of ours, and silent about the inside."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import jsonschema_rs

from local import functions
from local.openapi import document as openapi
from tests.openapi.contract import closed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.openapi.document import Json
    from tests.attacks.wire import Answer, Shot

HEADERS = {
    *("date", "content-type", "content-length", "connection", "x-request-id", "vary", "allow"),
    *("www-authenticate", "retry-after", "idempotent-replayed"),
}
CORS = "access-control-"
LONGEST_REFUSAL = 64 * 1024
CODE = re.compile(r"[a-z][a-z_]*[a-z]")
# Words of a program, of its database and of its libraries, which no sentence for a client needs.
INSIDE = re.compile(
    rb"""Traceback|File \\?"|\.py\b|psycopg|pydantic|postgrest|PGRST|SQLSTATE|sqlstate|PL/pgSQL|
    batchline\.[a-z_]+|public\.[a-z_]+|auth\.[a-z_]+\(|call_batches|campaign_contacts|agency_phone_numbers|
    violates\ |relation\ \\?"|column\ \\?"\w+\\?"\ |errors\.pydantic|0x[0-9a-f]{8}|
    NoneType|KeyError|TypeError|ValueError|RecursionError|UnicodeDecodeError|httpx|\bpg_[a-z]+""",
    re.VERBOSE,
)
# Refused before any path is looked at: no HTTP, a request line or headers beyond 64 KB, an unknown method.
SERVERS_WORDS = {(400, b"Invalid HTTP request received."), (405, b"Method Not Allowed")}
GATEWAYS_WORDS = {404: {"message": "Not Found"}, 413: {"message": "Request Entity Too Large"}}


@dataclass(frozen=True)
class Document:
    """The committed description, with closed answers."""

    whole: Json = field(default_factory=lambda: closed(json.loads(openapi.FILE.read_text())))

    @cached_property
    def operations(self) -> dict[str, Json]:
        """By name, with `method` and `path` beside what the document says."""
        return {
            operation["operationId"]: {**operation, "method": method.upper(), "path": path}
            for path, methods in self.whole["paths"].items()
            for method, operation in methods.items()
        }

    @cached_property
    def _functions(self) -> dict[str, functions.Function]:
        return functions.load()

    @cached_property
    def _validators(self) -> dict[tuple[str, int], Any]:
        return {}

    def operation_at(self, method: str, path: str) -> str | None:
        """Whose path it is, as the gateway sees it."""
        found = functions.find_route(self._functions, method, path.partition("?")[0].partition("#")[0])
        return found[0].name if found else None

    def faults_of_body(self, name: str, status: int, body: object) -> Iterator[str]:
        """Why an answer of this status may not have this body."""
        described = self.operations[name]["responses"].get(str(status))
        if described is None:
            yield f"{status} is not described"
            return
        content = described.get("content", {}).get("application/json")
        if content is None:
            yield "a body where none is described"
            return
        validator = self._validators.get((name, status))
        if validator is None:
            schema = {**content["schema"], "components": self.whole["components"]}
            validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
            self._validators[name, status] = validator
        for error in validator.iter_errors(body):
            yield f"not as described: {error.message[:300]} at {error.instance_path}"
            return


@dataclass(frozen=True)
class Judge:
    """Says what is wrong with an answer. `secrets` belong to others: no answer may hold one."""

    document: Document
    secrets: tuple[bytes, ...] = ()

    def faults(self, shot: Shot, answer: Answer | None) -> list[str]:
        """Sentences; none where all is well."""
        if answer is None:
            return [] if shot.is_broken else ["the connection ended without an answer"]
        return [*self._faults(shot, answer)]

    def _faults(self, shot: Shot, answer: Answer) -> Iterator[str]:
        if answer.status >= 500:
            yield f"status {answer.status}"
        sent = shot.text()
        for secret in self.secrets:
            if secret in answer.body and secret not in sent:
                yield f"it tells what is another agency's: {secret!r}"
        if (answer.status, answer.body) in SERVERS_WORDS:
            return
        for name in answer.headers:
            if name not in HEADERS and not name.startswith(CORS):
                yield f"a header {name}"
        if answer.status == 204 or shot.method == "HEAD":
            if answer.body:
                yield "a body where there is none"
            return
        try:
            body: Any = json.loads(answer.body)
        except ValueError:
            yield "no JSON"
            return
        if answer.headers.get("content-type") != "application/json":
            yield f"content type {answer.headers.get('content-type')}"
        if body == GATEWAYS_WORDS.get(answer.status, ()):
            return
        yield from self._faults_of(shot, answer, body, sent)

    def _faults_of(self, shot: Shot, answer: Answer, body: Any, sent: bytes) -> Iterator[str]:
        name = self.document.operation_at(shot.method, shot.path)
        if name is None:
            yield "an answer where there is no function"
            return
        yield from self.document.faults_of_body(name, answer.status, body)
        if "x-request-id" not in answer.headers:
            yield "no X-Request-Id"
        if answer.status >= 400:
            yield from _faults_of_refusal(answer, body)
            yield from _inside(answer.body, sent)


def _faults_of_refusal(answer: Answer, body: Any) -> Iterator[str]:
    if not isinstance(body, dict):
        yield "a refusal that is no object"
        return
    given: dict[str, Any] = body  # pyright: ignore[reportUnknownVariableType]
    sentence = given.get("error")
    if not (isinstance(sentence, str) and " " in sentence.strip() and len(sentence) <= 1000):
        yield f"no sentence: {str(sentence)[:100]!r}"
    if not CODE.fullmatch(str(given.get("code"))):
        yield f"no code: {given.get('code')!r}"
    if given.get("request_id") != answer.headers.get("x-request-id"):
        yield "the request_id is not that of the header"
    if len(answer.body) > LONGEST_REFUSAL:
        yield f"a refusal of {len(answer.body)} bytes"


def _inside(body: bytes, sent: bytes) -> Iterator[str]:
    """What a refusal says of the inside, unless it was the client who said it."""
    said = sent + unquote_to_bytes(sent)
    for found in INSIDE.finditer(body):
        if found[0].replace(b'\\"', b'"') not in said:
            yield f"it tells of the inside: {body[max(0, found.start() - 60) : found.end() + 60]!r}"
            return
