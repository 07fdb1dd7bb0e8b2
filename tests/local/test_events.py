"""What a handler gets and what a client gets, in API Gateway's format."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from local.events import BadAnswerError, HttpRequest, to_event, to_response
from local.functions import Route

ROUTE = Route("*", "/lists/{list_id}/entries")


def event_of(request: HttpRequest, **path_parameters: str) -> dict[str, Any]:
    return to_event(request, ROUTE, path_parameters)


def test_the_path_the_method_and_the_query_arrive() -> None:
    event = event_of(HttpRequest("PATCH", "/lists/7/entries", "a=1&b=x%20y&a=2"), list_id="7")

    assert event["version"] == "2.0"
    assert event["routeKey"] == "ANY /lists/{list_id}/entries"
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/lists/7/entries"
    assert event["requestContext"]["http"]["method"] == "PATCH"
    assert event["rawQueryString"] == "a=1&b=x%20y&a=2"
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y"}
    assert event["pathParameters"] == {"list_id": "7"}


def test_headers_are_in_lower_case_joined_by_commas_and_cookies_apart() -> None:
    event = event_of(HttpRequest("GET", "/", headers=[("X-One", "1"), ("x-one", "2"), ("Cookie", "a=1; b=2")]))

    assert event["headers"] == {"x-one": "1,2"}
    assert event["cookies"] == ["a=1", "b=2"]


def test_what_a_request_lacks_the_event_lacks() -> None:
    event = event_of(HttpRequest("GET", "/"))

    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & event.keys()
    assert event["isBase64Encoded"] is False


def test_each_request_has_an_id_of_its_own() -> None:
    first, second = (event_of(HttpRequest("GET", "/"))["requestContext"]["requestId"] for _ in range(2))

    assert first != second


@pytest.mark.parametrize("content_type", ["application/json", "text/csv; charset=utf-8"])
def test_text_arrives_as_text(content_type: str) -> None:
    event = event_of(HttpRequest("POST", "/", headers=[("content-type", content_type)], body="Zoë".encode()))

    assert event["body"] == "Zoë"
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("content_type", "body"), [("application/octet-stream", b"plain"), ("application/json", b"\xff\xfe")]
)
def test_all_else_arrives_as_base64(content_type: str, body: bytes) -> None:
    event = event_of(HttpRequest("POST", "/", headers=[("content-type", content_type)], body=body))

    assert base64.b64decode(event["body"]) == body
    assert event["isBase64Encoded"] is True


def test_an_answer_becomes_a_response() -> None:
    response = to_response(
        {"statusCode": 201, "headers": {"Content-Type": "application/json"}, "cookies": ["a=1", "b=2"], "body": "{}"}
    )

    assert (response.status_code, response.body) == (201, b"{}")
    assert response.headers["content-type"] == "application/json"
    assert response.headers.getlist("set-cookie") == ["a=1", "b=2"]


def test_a_base64_answer_is_decoded() -> None:
    response = to_response({"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True})

    assert response.body == b"\x00\xff"


def test_an_answer_without_a_status_is_the_body_of_a_200() -> None:
    response = to_response({"processed": 0})

    assert (response.status_code, json.loads(bytes(response.body))) == (200, {"processed": 0})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "answer", [{"statusCode": 200, "body": {"no": "string"}}, {"body": object()}, "x" * (6 * 1024 * 1024)]
)
def test_an_answer_that_lambda_would_not_pass_on_is_refused(answer: object) -> None:
    with pytest.raises(BadAnswerError):
        to_response(answer)
