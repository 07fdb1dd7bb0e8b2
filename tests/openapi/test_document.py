"""The committed document is what the code says, and the generator says what a new endpoint lacks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis

from local import functions
from local.openapi import command, contracts, document
from local.processes import ROOT, LocalError
from tests.openapi.contract import closed

if TYPE_CHECKING:
    from pathlib import Path

FUNCTIONS = functions.load()
OVER_HTTP = [name for name, function in FUNCTIONS.items() if function.routes]
SOURCES = "\n".join(path.read_text() for path in [*ROOT.glob("shared/*.py"), *ROOT.glob("sql/schema/*.sql")])
# What a sentence begins with where it is about a field, or about two entries of a list.
PLACE = re.compile(r"^[a-z_]+(\[\d+\])?( and [a-z_]+\[\d+\])?[: ]")

GOOD = '''"""POST /thing: do it."""
from shared import batches
from shared.batch_answers import PausedBatch
from shared.people import endpoint

@endpoint("POST", batches.BatchReference, writes=True)
def main(caller, batch) -> PausedBatch:
    return batches.pause(caller, batch)
'''
LACKS = {
    "a summary": ("do it.", "", "the module's docstring has to begin with a line like `POST /path: what it does.`"),
    "an answer": ("PausedBatch:", "dict[str, object]:", "main's return annotation has to be the answer's model"),
    "a type for its answer": ("-> PausedBatch", "", "main's return annotation has to be the answer's model"),
    "a model of its request": (", batches.BatchReference", "", "the decorator has to name one model"),
    "a known decorator": (
        "people import endpoint\n\n@endpoint",
        "edge import scheduled\n\n@scheduled",
        "@edge.scheduled is not known: say in KINDS of kinds.py who may call",
    ),
    "a description by hand": (
        "people import endpoint\n\n@endpoint",
        "edge import route\n\n@route",
        "@route says nothing of request and answer: describe them",
    ),
    "a decorator": (
        '@endpoint("POST", batches.BatchReference, writes=True)',
        "",
        "under one decorator of shared/",
    ),
}


def operation(name: str, whole: Any) -> Any:
    return next(one for path in whole["paths"].values() for one in path.values() if one["operationId"] == name)


def contract_of(source: str, folder: Path) -> contracts.Contract:
    """What is read from a handler of this source."""
    (folder / "serverless.yml").write_text(
        "functions: { thing: { handler: thing.main, events: [httpApi: { method: '*', path: /thing }] } }"
    )
    (folder / "thing.py").write_text(source)
    (contract,) = contracts.read_all(functions.load(folder / "serverless.yml"), folder)
    return contract


def test_the_committed_document_is_current() -> None:
    command.check(document.FILE.read_text(), document.text())


def test_a_document_that_is_not_current_is_told_by_the_first_place_that_differs() -> None:
    whole: Any = document.build()
    whole["paths"]["/calls-batch-pause"]["post"]["summary"] = "Start calls"

    with pytest.raises(LocalError, match="first in paths > /calls-batch-pause > post > summary: write it anew with"):
        command.check(json.dumps(whole), document.text())


def test_the_document_is_openapi_3_1_and_holds_every_function_with_a_route(document: Any) -> None:
    schemathesis.openapi.from_dict(document).validate()  # pyright: ignore[reportUnknownMemberType]

    named = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert document["openapi"] == "3.1.0"
    assert named == OVER_HTTP
    assert set(document["components"]["securitySchemes"]) == {"token", "apiKey", "apiSecret", "webhookSignature"}


@pytest.mark.parametrize("name", OVER_HTTP)
def test_an_operation_says_who_may_call_it_and_what_can_go_wrong(name: str, document: Any) -> None:
    described = operation(name, document)

    assert described["summary"]
    assert described["security"]
    assert {"405", "429", "500"} <= set(described["responses"])
    assert ("401" in described["responses"]) == (described["security"] != [{}])
    for status, response in described["responses"].items():
        assert "X-Request-Id" in response["headers"]
        if int(status) >= 400:
            assert response["content"]["application/json"]["examples"]


@pytest.mark.parametrize("name", OVER_HTTP)
def test_every_example_keeps_to_its_own_schema(name: str, document: Any) -> None:
    whole = closed(document)
    described = operation(name, whole)
    shown = 0
    for body in [described.get("requestBody", {}), *described["responses"].values()]:
        for content in body.get("content", {}).values():
            validator = jsonschema_rs.Draft202012Validator(
                {**content["schema"], "components": whole["components"]}, validate_formats=True
            )
            for example in [content.get("example"), *(one["value"] for one in content.get("examples", {}).values())]:
                if example is not None:
                    validator.validate(example)
                    shown += 1
    assert shown >= 5


@pytest.mark.parametrize("name", OVER_HTTP)
def test_every_refusal_that_is_shown_is_one_of_the_code(name: str) -> None:
    for refusals in json.loads((document.EXAMPLES / f"{name}.json").read_text()).get("refusals", {}).values():
        for refusal in refusals:
            assert refusal["code"] in SOURCES, refusal
            words = refusal["error"].replace("'", "''").split(" must be")[-1].split(", such as")[0].split(" between")[0]
            words = PLACE.sub("", words)
            assert words in SOURCES or words.replace("''", "'") in SOURCES, refusal


def test_there_is_no_example_of_a_function_that_is_gone() -> None:
    assert {path.stem for path in document.EXAMPLES.iterdir()} == set(OVER_HTTP)


def test_a_new_handler_is_read_without_being_told_of(tmp_path: Path) -> None:
    contract = contract_of(GOOD, tmp_path)

    assert (contract.method, contract.path, contract.summary) == ("POST", "/thing", "Do it")
    assert (contract.status, contract.writes) == (200, True)
    assert contract.request.__name__ == "BatchReference"
    assert contract.answer.__name__ == "PausedBatch"
    assert {error.__name__ for error in contract.errors} >= {"NotFoundError", "ForbiddenError", "TooManyRequestsError"}


def test_an_answer_is_found_in_what_wraps_it(tmp_path: Path) -> None:
    source = GOOD.replace("-> PausedBatch", "-> Created[PausedBatch]")

    assert contract_of(source, tmp_path).answer.__name__ == "PausedBatch"


@pytest.mark.parametrize("lack", LACKS)
def test_what_a_handler_lacks_is_said_in_a_sentence(lack: str, tmp_path: Path) -> None:
    there, instead, sentence = LACKS[lack]
    assert there in GOOD

    with pytest.raises(contracts.ContractError) as error:
        contract_of(GOOD.replace(there, instead), tmp_path)

    assert str(error.value).startswith("functions/thing: ")
    assert sentence in str(error.value)
