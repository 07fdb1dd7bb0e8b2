"""What is sent to the provider and what each of its answers means: the table of outcomes, read without any network."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.simulator import shapes, validation
from shared.dials import DialOrder, DialResult, call_request, names_the_number, read_answer, retry_after
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.dials import Result

SETTINGS = Settings.model_validate(
    {
        "supabase_url": "https://project.example",
        "supabase_anon_key": "anon",
        "supabase_service_role_key": "service",
        "functions_url": "https://functions.example/",
    }
)
ORDER = DialOrder(
    call_id=str(uuid4()),
    agency_id=str(uuid4()),
    batch_id=str(uuid4()),
    contact_id=str(uuid4()),
    to_number="+12135550123",
    from_number="+12125550199",
    provider="twilio",
    sip_domain=None,
    ultravox_agent_id=str(uuid4()),
    max_duration_seconds=600,
    recording_enabled=True,
    contact={"first_name": "Ada", "last_name": None, "company": "Acme", "phone_number": "+12135550123"},
    custom_data={"plan": {"name": "gold", "seats": 3}},
)


def order(**changes: object) -> DialOrder:
    return DialOrder(**{**ORDER, **changes})  # pyright: ignore[reportArgumentType]


def answer(status: int, body: object = None, **headers: str) -> httpx.Response:
    """An answer of the provider; a body of str is sent as it is, anything else as JSON."""
    content = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    return httpx.Response(
        status, text=content, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )


def read(status: int, body: object = None, **headers: str) -> DialResult:
    return read_answer("the-call", answer(status, body, **headers))


# --- what is sent


def test_the_provider_is_told_whom_to_call_as_whom_and_for_which_call_of_ours() -> None:
    body = call_request(ORDER, None, SETTINGS)

    assert body == {
        "medium": {"twilio": {"outgoing": {"to": "+12135550123", "from": "+12125550199"}}},
        "templateContext": {
            "first_name": "Ada",
            "company": "Acme",
            "phone_number": "+12135550123",
            "plan": {"name": "gold", "seats": 3},
        },
        "metadata": {
            "agency_id": ORDER["agency_id"],
            "batch_id": ORDER["batch_id"],
            "contact_id": ORDER["contact_id"],
            "call_id": ORDER["call_id"],
            "to_number": "+12135550123",
        },
        "joinTimeout": "90s",
        "maxDuration": "600s",
        "recordingEnabled": True,
    }


def test_a_contacts_own_data_comes_before_its_columns() -> None:
    body = call_request(order(custom_data={"first_name": "Countess Ada"}), None, SETTINGS)

    assert body["templateContext"]["first_name"] == "Countess Ada"


def test_each_event_is_asked_for_at_the_agencys_own_address_with_its_secret() -> None:
    callback = {
        "url": f"https://functions.example/webhook-ingest/{ORDER['agency_id']}",
        "secrets": ["the-secret"],
    }

    assert call_request(ORDER, "the-secret", SETTINGS)["callbacks"] == dict.fromkeys(
        ("joined", "ended", "billed"), callback
    )


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_no_events_are_asked_for(secret: str | None) -> None:
    assert "callbacks" not in call_request(ORDER, secret, SETTINGS)


def test_sip_is_given_a_uri() -> None:
    body = call_request(order(provider="sip", sip_domain="carrier.example"), None, SETTINGS)

    assert body["medium"] == {"sip": {"outgoing": {"to": "sip:+12135550123@carrier.example", "from": "+12125550199"}}}


@pytest.mark.parametrize("provider", ["twilio", "telnyx", "plivo", "sip"])
@pytest.mark.parametrize("join_timeout", [90, 0.75])
def test_what_is_sent_is_valid_for_every_carrier(provider: str, join_timeout: float) -> None:
    domain = "carrier.example" if provider == "sip" else None
    timers = SETTINGS.model_copy(update={"join_timeout_seconds": join_timeout})

    sent = call_request(order(provider=provider, sip_domain=domain), "the-secret", timers)

    validation.check(sent, shapes.StartAgentCall)


# --- what an answer means: the table, row by row

NAMED = {"medium": {"twilio": {"outgoing": {"to": ["'+1213' is not a valid phone number in E.164 format."]}}}}
DETAIL = {"detail": "Request was throttled."}

TABLE: list[tuple[int, object, dict[str, str], Result]] = [
    (400, NAMED, {}, "number_refused"),
    (422, NAMED, {}, "number_refused"),
    (400, {"medium.twilio.outgoing.to": ["not a number"]}, {}, "number_refused"),
    (400, {"medium": {"twilio": {"outgoing": {"from": ["not yours"]}}}}, {}, "refused"),
    (400, {"medium": {"fax": ["Unknown field."]}}, {}, "refused"),
    (400, {"templateContext": ["'name' is a required property."]}, {}, "refused"),
    (400, {"detail": "JSON parse error"}, {}, "refused"),
    (400, "<html>Bad Request</html>", {}, "refused"),
    (400, None, {}, "refused"),
    (422, {"non_field_errors": ["Bad."]}, {}, "refused"),
    (429, DETAIL, {"Retry_After": "7"}, "throttled"),
    (429, DETAIL, {}, "throttled"),
    (429, None, {}, "throttled"),
    (503, DETAIL, {"Retry_After": "7"}, "throttled"),
    (503, None, {"Retry_After": "7"}, "throttled"),
    (503, DETAIL, {}, "throttled"),
    (503, None, {}, "unknown"),
    (503, "<html>Service Unavailable</html>", {}, "unknown"),
    (503, ["detail"], {}, "unknown"),
    (401, {"detail": "Invalid API key"}, {}, "account_refused"),
    (402, None, {}, "account_refused"),
    (403, "<html>Forbidden</html>", {}, "account_refused"),
    (500, {"detail": "Internal Server Error"}, {"Retry_After": "7"}, "unknown"),
    (502, None, {}, "unknown"),
    (504, DETAIL, {}, "unknown"),
    (599, None, {}, "unknown"),
    (408, None, {}, "unknown"),
    (200, {"callId": str(uuid4())}, {}, "unknown"),
    (202, None, {}, "unknown"),
    (204, None, {}, "unknown"),
    (302, None, {"Location": "https://elsewhere.example/"}, "refused"),
    (404, {"detail": "No Agent matches the given query."}, {}, "refused"),
    (405, None, {}, "refused"),
    (413, None, {}, "refused"),
]


@pytest.mark.parametrize(("status", "body", "headers", "result"), TABLE)
def test_an_answer_means_what_the_table_says(
    status: int, body: object, headers: dict[str, str], result: Result
) -> None:
    found = read(status, body, **headers)

    assert (found.call_id, found.result) == ("the-call", result)
    assert found.ultravox_call_id is None
    assert str(status) in (found.reason or "")
    assert (found.retry_after_seconds is not None) == (result == "throttled")


def test_a_201_gives_the_providers_id() -> None:
    ultravox_call_id = str(uuid4())

    assert read(201, {"callId": ultravox_call_id, "joinUrl": None}) == DialResult(
        "the-call", "accepted", ultravox_call_id=ultravox_call_id
    )


@pytest.mark.parametrize(
    "body", ['{"callId": "', "", "null", "[]", '"text"', "{}", '{"callId": null}', '{"callId": 7}', '{"callId": "7"}']
)
def test_a_201_that_names_no_call_leaves_the_call_unknown(body: str) -> None:
    found = read(201, body)

    assert found.result == "unknown"
    assert found.reason


@given(st.integers(200, 599), st.binary(max_size=40), st.text(max_size=20))
def test_every_answer_has_a_meaning_that_can_be_stored(status: int, body: bytes, header: str) -> None:
    response = httpx.Response(status, content=body, headers=[(b"Retry-After", header.encode())])

    found = read_answer("the-call", response)

    json.dumps(found.as_json(), allow_nan=False)
    assert "\0" not in (found.reason or "")  # PostgreSQL's text cannot hold it, and the whole turn would not settle
    assert found.result != "accepted"  # nothing that short names a call


def test_a_reason_says_what_the_provider_said_and_has_an_end() -> None:
    assert read(400, {"detail": "no"}).reason == 'The provider answered 400: {"detail": "no"}'
    assert read(500).reason == "The provider answered 500: (nothing)"
    assert len(read(500, "x" * 100_000).reason or "") < 600


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "The provider refused the agency's API key: store a valid one, then resume the batch"),
        (402, "The provider's account cannot place calls: check its subscription, then resume the batch"),
        (403, "The provider refused the agency's API key: store a valid one, then resume the batch"),
    ],
)
def test_a_refused_account_is_told_what_to_fix(status: int, sentence: str) -> None:
    said = f'(The provider answered {status}: {{"detail": "no"}})'

    assert read(status, {"detail": "no"}).reason == f"{sentence} {said}"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (NAMED, True),
        ({"medium": {"sip": {"outgoing": {"to": "not a SIP URI"}}}}, True),
        ({"medium": {"to": ["no"]}}, True),
        ({"medium.twilio.outgoing.to": ["no"]}, True),
        ({"other": ["no"], "medium": {"twilio": {"outgoing": {"from": ["no"], "to": ["no"]}}}}, True),
        ({"medium": {"twilio": {"outgoing": {"from": ["no"]}}}}, False),
        ({"medium": ["no"]}, False),
        ({"to": ["no"]}, False),
        ({"metadata": {"to": ["no"]}}, False),
        ({"templateContext": {"medium": {"to": ["no"]}}}, False),
        ({"detail": "medium.twilio.outgoing.to"}, False),
        ({}, False),
    ],
)
def test_only_a_complaint_about_the_mediums_to_names_the_number(body: dict[str, Any], named: bool) -> None:
    assert names_the_number(body) is named


# --- how long to wait


def test_seconds_are_taken_as_they_are() -> None:
    assert retry_after(answer(429, Retry_After="7")) == 7
    assert retry_after(answer(429, Retry_After="0")) == 0


def test_a_date_is_read_against_the_answers_own_date() -> None:
    theirs = datetime.now(UTC) - timedelta(days=3)  # their clock or ours may be wrong: the difference is right
    until = format_datetime(theirs + timedelta(seconds=90), usegmt=True)

    assert retry_after(answer(429, Retry_After=until, Date=format_datetime(theirs, usegmt=True))) == 90


def test_a_date_without_the_answers_own_is_read_against_our_clock() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    assert 85 < retry_after(answer(429, Retry_After=until)) <= 90


def test_a_date_that_has_passed_means_now() -> None:
    now = datetime.now(UTC)
    past, date = (format_datetime(now - timedelta(seconds=ago), usegmt=True) for ago in (60, 0))

    assert retry_after(answer(429, Retry_After=past, Date=date)) == 0


@pytest.mark.parametrize("header", ["", "soon", "-5", "1.5", "Fri, 32 Jan 2027 00:00:00 GMT"])
def test_without_a_time_that_can_be_read_it_is_about_five_seconds_for_each_a_little_different(header: str) -> None:
    waits = {retry_after(answer(429, Retry_After=header)) for _ in range(20)}

    assert all(5 <= wait <= 7.5 for wait in waits)
    assert len(waits) > 1


@given(st.text(st.characters(max_codepoint=255), max_size=30) | st.from_regex(r"[0-9]{1,400}", fullmatch=True))
def test_no_header_makes_a_wait_that_is_no_time(header: str) -> None:
    wait = retry_after(httpx.Response(429, headers=[(b"Retry-After", header.encode("latin-1"))]))

    assert math.isfinite(wait)
    assert wait >= 0
