"""Calls as the API takes and shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local.customer import AGENT, NUMBER, OURS, Customer, twilio
from tests.local.observed import eventually

if TYPE_CHECKING:
    from local.simulator.client import Simulator

SIP = {"sip": {"outgoing": {"to": f"sip:{NUMBER}@carrier.example", "from": OURS}}}
LONG = {"talk_seconds": [60, 60]}
REFUSED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"medium": {"carrierPigeon": {}}}, {"medium": {"carrierPigeon": ["Unknown field."]}}),
    ({"medium": {**twilio(), **SIP}}, {"medium": ["At most one call medium may be set."]}),
    ({"systemPrompt": "Hi"}, {"systemPrompt": ["Unknown field."]}),
    ({"metadata": {"row": 17}}, {"metadata": {"row": ["Input should be a valid string"]}}),
    ({"metadata": {"ultravox.x": "1"}}, {"metadata": ["Key 'ultravox.x' may not start with 'ultravox.'."]}),
    ({"joinTimeout": "0s"}, {"joinTimeout": ["Must be longer than 0s."]}),
    ({"recordingEnabled": "yes"}, {"recordingEnabled": ["Input should be a valid boolean"]}),
    ({"callbacks": {"ended": {"secrets": []}}}, {"callbacks": {"ended": {"url": ["This field is required."]}}}),
    ({"callbacks": {"started": {"url": "http://x"}}}, {"callbacks": {"started": ["Unknown field."]}}),
    ({"medium": {"sip": {}}}, {"medium": {"sip": ["Exactly one of incoming or outgoing must be set."]}}),
    ({"templateContext": None}, {"templateContext": ["Input should be a valid dictionary"]}),
]


@pytest.mark.parametrize(("body", "errors"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_the_api_does_not_document_is_refused_by_field(
    provider: Simulator, customer: Customer, body: dict[str, Any], errors: dict[str, Any]
) -> None:
    answer = customer.create(body)

    assert (answer.status_code, answer.json()) == (400, errors)
    assert provider.stats()["accepted"] == 0
    assert provider.stats()["refused"] == {"400": 1}


@pytest.mark.parametrize("text", ["30m", "90", "1:30", "-", "90 s", ""])
def test_a_duration_must_be_written_in_seconds(customer: Customer, text: str) -> None:
    answer = customer.call(joinTimeout=text)

    assert answer.status_code == 400
    assert list(answer.json()) == ["joinTimeout"]


@pytest.mark.parametrize("medium", ["twilio", "telnyx", "plivo"])
@pytest.mark.parametrize("to", ["2135550123", "+0135550123", "+1213", "+1 213 555 0123", f"{NUMBER}\n", ""])
def test_a_number_that_is_not_e164_is_named_in_the_refusal(customer: Customer, medium: str, to: str) -> None:
    answer = customer.create({"medium": {medium: {"outgoing": {"to": to, "from": OURS}}}})

    assert answer.status_code == 400
    (sentence,) = answer.json()["medium"][medium]["outgoing"]["to"]
    assert f"'{to}'" in sentence


def test_a_sip_call_needs_a_uri_and_not_a_number(customer: Customer) -> None:
    answer = customer.create({"medium": {"sip": {"outgoing": {"to": NUMBER}}}})

    assert answer.status_code == 400
    assert list(answer.json()["medium"]["sip"]["outgoing"]) == ["to"]


def test_broken_json_and_other_content_are_refused(customer: Customer) -> None:
    broken, listed, form = customer.post(b'{"medium": '), customer.post(b"[]"), customer.post(b"a=b", "text/plain")

    assert (broken.status_code, broken.json()["detail"].split(" - ")[0]) == (400, "JSON parse error")
    assert listed.json() == {"non_field_errors": ["Invalid data. Expected a dictionary."]}
    assert form.status_code == 415


def test_a_key_that_is_missing_or_wrong_is_refused(provider: Simulator) -> None:
    with Customer(provider.base_url, "wrong") as stranger:
        answer = stranger.call()
        assert (answer.status_code, answer.json()) == (403, {"detail": "Invalid API key"})
        provider.configure(refusals={"rejected_key_status": 401})
        assert stranger.get("/api/accounts/me").status_code == 401
    assert provider.stats()["refused"] == {"403": 1}


def test_an_agent_that_is_gone_is_not_found(customer: Customer) -> None:
    assert customer.send("DELETE", f"/api/agents/{AGENT}").status_code == 204

    answer = customer.call()
    assert (answer.status_code, answer.json()) == (404, {"detail": "No Agent matches the given query."})


def test_the_answer_shows_the_call_as_it_was_asked_for(customer: Customer) -> None:
    callbacks = {"ended": {"url": "http://127.0.0.1:9/hook", "secrets": ["s"]}}
    answer = customer.call(metadata={"call_id": "one"}, joinTimeout="90s", maxDuration="600s", callbacks=callbacks)

    call = answer.json()
    assert answer.status_code == 201
    assert call["medium"] == twilio()
    assert call["metadata"] == {"call_id": "one"}
    assert (call["joinTimeout"], call["maxDuration"], call["callbacks"]) == ("90s", "600s", callbacks)
    assert (call["agentId"], call["agent"]) == (AGENT, {"agentId": AGENT, "name": "sales"})
    assert (call["joined"], call["ended"], call["endReason"]) == (None, None, None)
    assert call["billingStatus"] == "BILLING_STATUS_PENDING"
    assert call["joinUrl"].startswith("wss://")


def test_an_answered_call_is_joined_ended_summed_up_and_billed(provider: Simulator, customer: Customer) -> None:
    provider.configure(people={"talk_seconds": [0.2, 0.2]})
    call_id = customer.call(maxDuration="0.1s").json()["callId"]
    assert eventually(lambda: customer.seen(call_id)["joined"] is not None)
    assert eventually(lambda: customer.seen(call_id)["billedDuration"] is not None)

    call = customer.seen(call_id)
    assert (call["endReason"], call["billedDuration"]) == ("timeout", "6s")
    assert call["billingStatus"] == "BILLING_STATUS_BILLED"
    assert call["summary"]
    assert call["joinUrl"] is None
    assert call["metadata"]["ultravox.twilio.call_sid"].startswith("CA")


@pytest.mark.parametrize(
    ("outcome", "reason", "termination"),
    [
        ("busy", "unjoined", "SIP_TERMINATION_BUSY"),
        ("no_answer", "unjoined", "SIP_TERMINATION_TIMEOUT"),
        ("rejected", "unjoined", "SIP_TERMINATION_REJECTED"),
        ("invalid_number", "unjoined", "SIP_TERMINATION_INVALID_NUMBER"),
        ("connection_error", "connection_error", "SIP_TERMINATION_UNKNOWN"),
        ("system_error", "system_error", "SIP_TERMINATION_UNKNOWN"),
    ],
)
def test_only_sip_tells_why_nobody_joined(
    provider: Simulator, customer: Customer, outcome: str, reason: str, termination: str
) -> None:
    provider.configure(people={"outcomes": {outcome: 1}, "no_answer_seconds": 0.05})
    by_sip = customer.create({"medium": SIP}).json()
    by_twilio = customer.call().json()
    assert eventually(lambda: customer.get("/api/accounts/me").json()["activeCalls"] == 0)

    assert by_sip["joinUrl"] is None
    seen = customer.seen(by_sip["callId"])
    assert (seen["endReason"], seen["sipDetails"]["terminationReason"]) == (reason, termination)
    seen = customer.seen(by_twilio["callId"])
    assert (seen["endReason"], seen["sipDetails"], seen["joined"]) == (reason, None, None)
    provider.configure(sip_details="always")
    assert customer.seen(by_twilio["callId"])["sipDetails"]["terminationReason"] == termination


def test_a_call_that_nobody_joins_is_live_until_its_join_timeout(provider: Simulator, customer: Customer) -> None:
    provider.configure(people={"outcomes": {"no_answer": 1}})
    customer.call(joinTimeout="0.2s")
    assert provider.stats()["live"] == 1
    assert eventually(lambda: provider.stats()["live"] == 0)

    (call,) = provider.calls()
    assert call["ended_monotonic"] - call["accepted_monotonic"] == pytest.approx(0.2, abs=2e-6)  # pyright: ignore[reportUnknownMemberType]


def test_hanging_up_ends_a_joined_call_and_no_other(provider: Simulator, customer: Customer) -> None:
    provider.configure(people={**LONG, "outcomes": {"no_answer": 1}})
    call_id = customer.call().json()["callId"]
    path, hang_up = f"/api/calls/{call_id}/send_data_message", {"type": "hang_up", "message": "Goodbye!"}

    assert customer.send("POST", path, hang_up).status_code == 422
    provider.join_call(call_id)
    assert customer.send("POST", path, {"type": "ping"}).status_code == 204
    assert customer.seen(call_id)["ended"] is None
    assert customer.send("POST", path, hang_up).status_code == 204
    assert customer.seen(call_id)["endReason"] == "agent_hangup"
    assert customer.send("POST", path, hang_up).status_code == 422


def test_a_deleted_call_leaves_a_tombstone(provider: Simulator, customer: Customer) -> None:
    call_id = customer.call(metadata={"call_id": "one"}).json()["callId"]
    assert customer.send("DELETE", f"/api/calls/{call_id}").status_code == 400
    provider.end_call(call_id)
    assert customer.send("DELETE", f"/api/calls/{call_id}").status_code == 204

    assert customer.get(f"/api/calls/{call_id}").status_code == 404
    wanted = {"metadata.call_id": "one"}
    assert customer.get("/api/calls", **wanted).json()["total"] == 0
    assert customer.get("/api/calls").json() == {"next": None, "previous": None, "results": [], "total": 0}
    (tombstone,) = customer.get("/api/deleted_calls", **wanted).json()["results"]
    assert (tombstone["callId"], tombstone["endReason"]) == (call_id, "hangup")
    assert customer.get(f"/api/deleted_calls/{call_id}").json() == tombstone
    assert customer.get("/api/deleted_calls", **{"metadata.call_id": "two"}).json()["total"] == 0


def test_calls_of_an_agent_that_deletes_vanish_once_billed(customer: Customer) -> None:
    template = {"callTemplate": {"retentionPolicy": "CALL_RETENTION_POLICY_AUTO_DELETE"}}
    customer.send("PATCH", f"/api/agents/{AGENT}", template)
    call = customer.call().json()

    assert call["retentionPolicy"] == "auto_delete"
    assert eventually(lambda: customer.get("/api/deleted_calls").json()["total"] == 1)
    assert customer.get(f"/api/calls/{call['callId']}").status_code == 404


def test_an_agent_asks_for_what_its_template_requires(customer: Customer) -> None:
    schema = {"type": "object", "required": ["first_name"]}
    customer.send("PATCH", f"/api/agents/{AGENT}", {"callTemplate": {"contextSchema": schema, "joinTimeout": "45s"}})

    assert customer.call().json() == {"templateContext": ["'first_name' is a required property."]}
    assert customer.call(templateContext={"first_name": "Ann"}).json()["joinTimeout"] == "45s"


def test_only_a_joined_call_has_messages(provider: Simulator, customer: Customer) -> None:
    provider.configure(people={**LONG, "outcomes": {"voicemail": 1}})
    call_id = customer.call().json()["callId"]
    assert customer.get(f"/api/calls/{call_id}/messages", mode="in_call").json()["results"] == []
    assert eventually(lambda: customer.seen(call_id)["joined"] is not None)
    provider.end_call(call_id)

    page = customer.get(f"/api/calls/{call_id}/messages", mode="in_call", pageSize=1).json()
    assert page["results"][0]["role"] == "MESSAGE_ROLE_AGENT"
    last = customer.get(page["next"]).json()
    assert (last["results"][0]["toolName"], last["next"]) == ("leaveVoicemail", None)
    assert customer.get(f"/api/calls/{call_id}/messages", mode="all").status_code == 400


def test_calls_are_found_by_metadata_agent_duration_and_text(provider: Simulator, customer: Customer) -> None:
    provider.configure(people=LONG)
    one = customer.call(metadata={"call_id": "one", "batch_id": "b"}).json()["callId"]
    two = customer.call(metadata={"call_id": "two", "batch_id": "b"}).json()["callId"]
    direct = customer.send("POST", "/api/calls", {"systemPrompt": "Hi"}).json()["callId"]

    def found(**query: str) -> list[str]:
        return [call["callId"] for call in customer.get("/api/calls", **query).json()["results"]]

    assert found() == [direct, two, one]
    assert found(sort="created") == [one, two, direct]
    assert found(**{"metadata.call_id": "two"}) == [two]
    assert found(**{"metadata.batch_id": "b", "metadata.call_id": "one"}) == [one]
    assert found(**{"metadata.nothing": "x"}) == []
    assert found(agentIds=AGENT) == [two, one]
    assert found(durationMin="1s") == []
    assert found(search="tw") == [two]
    assert customer.get(f"/api/agents/{AGENT}/calls").json()["total"] == 2
    assert customer.get("/api/calls", voiceId="x").status_code == 400


def test_dates_are_inclusive_at_both_ends(customer: Customer) -> None:
    first, second = customer.call().json()["created"], customer.call().json()["created"]

    assert customer.get("/api/calls", fromDate=first, toDate=second).json()["total"] == 2
    assert customer.get("/api/calls", fromDate=second, toDate=second).json()["total"] == 1
    assert customer.get("/api/calls", fromDate=first[:10], toDate=second[:10]).json()["total"] == 2
    assert customer.get("/api/calls", fromDate="yesterday").status_code == 400


def test_the_account_shows_its_live_calls_and_its_cap(provider: Simulator, customer: Customer) -> None:
    provider.configure(people=LONG)
    customer.call()

    account = customer.get("/api/accounts/me").json()
    assert (account["activeCalls"], account["allowedConcurrentCalls"]) == (1, None)


def test_a_path_or_method_that_does_not_exist_is_said_in_json(customer: Customer) -> None:
    assert customer.get("/api/nothing").json() == {"detail": "Not found."}
    assert customer.get("/api/calls/").status_code == 404
    answer = customer.send("PUT", "/api/calls")
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "PUT" not allowed.'})
