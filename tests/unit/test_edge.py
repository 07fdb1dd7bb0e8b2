from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.edge import Answer, Request, route, scheduled
from shared.errors import ConflictError, TooManyRequestsError, UnauthorizedError, UnavailableError
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("SUPABASE_URL", "FUNCTIONS_URL"):
        monkeypatch.setenv(name, "https://project.example")
    for name in ("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.setenv(name, "key")
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


@route("POST", failure="Failed to echo")
def echo(request: Request) -> Answer:
    return Answer(200, {"body": request.body().decode(), "query": dict(request.query), "path": dict(request.path)})


def raising(error: Exception) -> Callable[[Any, object], dict[str, Any]]:
    def work(_request: Request) -> Answer:
        raise error

    return route("POST", failure="Failed to work")(work)


def event(method: str = "POST", **members: object) -> dict[str, Any]:
    return {"requestContext": {"http": {"method": method}, "requestId": "request-1"}, **members}


def body_of(response: dict[str, Any]) -> Any:
    return json.loads(response["body"])


def test_an_event_without_body_query_and_path_reads_as_empty() -> None:
    assert body_of(echo(event(), None)) == {"body": "", "query": {}, "path": {}}


def test_a_base64_body_is_decoded() -> None:
    response = echo(event(body=base64.b64encode("é".encode()).decode(), isBase64Encoded=True), None)

    assert body_of(response)["body"] == "é"


def test_a_body_that_is_no_base64_though_announced_is_a_bad_request() -> None:
    response = echo(event(body="é", isBase64Encoded=True), None)

    assert response["statusCode"] == 400
    assert body_of(response)["error"] == "The body cannot be decoded"


def test_options_is_answered_without_a_body() -> None:
    response = echo(event("OPTIONS"), None)

    assert (response["statusCode"], response["body"]) == (204, "")
    assert response["headers"]["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert "authorization" in response["headers"]["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "post", ""])
def test_another_method_is_answered_with_those_allowed(method: str) -> None:
    response = echo(event(method), None)

    assert response["statusCode"] == 405
    assert response["headers"]["Allow"] == "POST, OPTIONS"
    assert body_of(response) == {
        "error": "HTTP method is not POST",
        "code": "method_not_allowed",
        "request_id": "request-1",
    }


def test_a_refusal_is_its_status_sentence_code_and_members() -> None:
    error = ConflictError("One is running", members={"job_id": "7"}, headers={"Retry-After": "5"})
    response = raising(error)(event(), None)

    assert response["statusCode"] == 409
    assert response["headers"]["Retry-After"] == "5"
    assert body_of(response) == {
        "error": "One is running",
        "code": "conflict",
        "job_id": "7",
        "request_id": "request-1",
    }


@pytest.mark.parametrize("error", [TooManyRequestsError(), UnavailableError()])
def test_a_default_sentence_is_shown_too(error: TooManyRequestsError | UnavailableError) -> None:
    response = raising(error)(event(), None)

    assert (response["statusCode"], body_of(response)["error"]) == (error.status, type(error).__doc__)


def test_who_is_not_known_is_told_how_to_say_who_they_are() -> None:
    assert raising(UnauthorizedError())(event(), None)["headers"]["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("error", [ValueError("a secret"), KeyError("a secret"), RecursionError("a secret")])
def test_an_unknown_failure_is_logged_and_tells_the_client_nothing(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    response = raising(error)(event(), None)

    assert response["statusCode"] == 500
    assert body_of(response) == {"error": "Failed to work", "code": "internal_error", "request_id": "request-1"}
    assert "secret" not in json.dumps(response)
    assert error in [record.exc_info[1] for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "thing", [None, [], "text", 7, {"requestContext": "x"}, {"headers": 7}, {"requestContext": {}}]
)
def test_what_is_no_event_at_all_is_answered_too(thing: Any) -> None:
    assert echo(thing, None)["statusCode"] == 405


def test_without_settings_there_is_still_an_answer(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SUPABASE_URL")
    settings.cache_clear()

    response = route("POST")(lambda _: Answer(200, {"stage": settings().stage}))(event(), None)

    assert (response["statusCode"], body_of(response)["code"]) == (500, "internal_error")


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("*", "https://app.example", "*"),
        ("*", None, "*"),
        ("https://app.example,https://b.example", "https://b.example", "https://b.example"),
        ("https://app.example", "https://evil.example", None),
        ("https://app.example", None, None),
    ],
)
def test_origins_on_the_allow_list_may_read_every_answer(
    environment: pytest.MonkeyPatch, allowed: str, origin: str | None, expected: str | None
) -> None:
    environment.setenv("CORS_ALLOWED_ORIGINS", allowed)
    settings.cache_clear()
    headers = {"Origin": origin} if origin else {}

    for method in ("OPTIONS", "POST", "GET"):
        answered = echo(event(method, headers=headers), None)["headers"]
        assert answered.get("Access-Control-Allow-Origin") == expected
        assert answered.get("Vary") == (None if allowed == "*" else "Origin")


def test_the_request_id_is_api_gateways_else_lambdas_else_a_new_one() -> None:
    class Context:
        aws_request_id = "lambda-1"

    def request_id(given: dict[str, Any], context: object) -> str:
        return echo(given, context)["headers"]["X-Request-Id"]

    nameless = {"requestContext": {"http": {"method": "POST"}}}
    assert request_id(event(), Context()) == "request-1"
    assert request_id(nameless, Context()) == "lambda-1"
    assert request_id(nameless, None) != request_id(nameless, None)


def test_a_processor_is_told_how_long_it_has() -> None:
    class Context:
        aws_request_id = "lambda-1"

        def get_remaining_time_in_millis(self) -> int:
            return 4321

    assert scheduled(lambda remaining: {"left": remaining()})({}, Context()) == {"left": 4321}


def test_a_processor_run_by_hand_has_a_minute() -> None:
    left: Any = scheduled(lambda remaining: {"left": remaining()})({}, None)["left"]

    assert 59_000 < left <= 60_000


def test_a_failed_run_is_logged_and_raised(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_remaining: Callable[[], int]) -> dict[str, object]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        scheduled(fail)({}, None)
    assert [record.message for record in caplog.records] == ["the run failed"]
