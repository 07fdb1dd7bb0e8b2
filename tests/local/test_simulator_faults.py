"""Everything that can go wrong on request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.local.customer import AGENT, Customer

if TYPE_CHECKING:
    from local.simulator.client import Simulator

OTHER = "+12135550124"
ONE = {"metadata.call_id": "one"}


def test_a_call_can_be_accepted_and_its_answer_lost(provider: Simulator, customer: Customer) -> None:
    provider.add_fault("accept_then_drop")

    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
        customer.call(metadata={"call_id": "one"})
    assert provider.stats()["accepted"] == 1
    assert customer.get("/api/calls", **ONE).json()["total"] == 1


def test_a_connection_can_be_dropped_before_anything_is_accepted(provider: Simulator, customer: Customer) -> None:
    provider.add_fault("drop_before_accept")

    with pytest.raises(httpx.RemoteProtocolError):
        customer.call()
    assert provider.stats()["accepted"] == 0


def test_a_call_can_be_accepted_and_answered_with_500(provider: Simulator, customer: Customer) -> None:
    provider.add_fault("accept_then_500")

    assert customer.call().status_code == 500
    assert provider.stats()["accepted"] == 1
    assert provider.stats()["refused"] == {}


def test_an_answer_can_be_slow_after_the_call_is_accepted(provider: Simulator, customer: Customer) -> None:
    provider.add_fault("slow_201", delay_seconds=0.2)

    assert customer.call().status_code == 201
    assert time.time() - provider.stats()["first_accepted_at"] >= 0.2


def test_a_call_can_be_accepted_late_though_nobody_waits_for_it(provider: Simulator) -> None:
    provider.add_fault("late_accept", delay_seconds=0.2)
    begun = time.time()

    with httpx.Client(base_url=provider.base_url, timeout=0.05) as hasty, pytest.raises(httpx.ReadTimeout):
        hasty.post(f"/api/agents/{AGENT}/calls", json={}, headers={"X-API-Key": _key(provider)})
    assert provider.stats()["accepted"] == 0
    while not provider.stats()["accepted"]:
        assert time.time() - begun < 5
    assert provider.stats()["first_accepted_at"] - begun >= 0.2


def test_a_201_can_carry_nonsense(provider: Simulator, customer: Customer) -> None:
    provider.add_fault("malformed_body")

    answer = customer.call()
    assert answer.status_code == 201
    with pytest.raises(ValueError, match="Unterminated string"):
        answer.json()
    assert provider.stats()["accepted"] == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 429, 500, 503])
def test_any_refusal_can_be_had_word_for_word(provider: Simulator, customer: Customer, status: int) -> None:
    body, headers = {"detail": "No."}, {"Retry-After": "7"}
    provider.add_fault("refuse", status=status, body=body, headers=headers)

    answer = customer.call()
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (status, body, "7")
    assert provider.stats()["accepted"] == 0
    assert provider.stats()["refused"] == {str(status): 1}


def test_the_lookup_alone_can_be_out(provider: Simulator, customer: Customer) -> None:
    call_id = customer.call().json()["callId"]
    provider.add_fault("lookup_outage", status=502)

    assert customer.get("/api/calls", **ONE).status_code == 502
    assert customer.get("/api/deleted_calls", **ONE).status_code == 502
    assert customer.get(f"/api/calls/{call_id}").status_code == 200
    assert customer.call().status_code == 201


def test_the_filter_by_metadata_can_be_ignored(provider: Simulator, customer: Customer) -> None:
    customer.call(metadata={"call_id": "two"})
    provider.add_fault("lookup_ignores_filter")

    (found,) = customer.get("/api/calls", **ONE).json()["results"]
    assert found["metadata"] == {"call_id": "two"}


def test_the_lookup_can_lag(provider: Simulator, customer: Customer) -> None:
    customer.call(metadata={"call_id": "one"})
    rule = provider.add_fault("lookup_lags", delay_seconds=30)
    assert customer.get("/api/calls", **ONE).json()["total"] == 0
    assert provider.faults()[0]["id"] == rule

    provider.clear_faults()
    assert customer.get("/api/calls", **ONE).json()["total"] == 1


def test_a_fault_can_be_meant_for_one_number_or_one_call(provider: Simulator, customer: Customer) -> None:
    provider.add_fault("accept_then_500", {"to": OTHER})
    provider.add_fault("refuse", {"call_id": "two"}, status=402)

    assert customer.call(metadata={"call_id": "one"}).status_code == 201
    assert customer.call(OTHER, metadata={"call_id": "one"}).status_code == 500
    assert customer.call(metadata={"call_id": "two"}).status_code == 402


def test_a_get_can_fail_by_the_calls_own_id_or_by_ours(provider: Simulator, customer: Customer) -> None:
    first, second = (customer.call(metadata={"call_id": name}).json()["callId"] for name in ("one", "two"))
    provider.add_fault("refuse", {"path": "get", "call_id": "one"}, status=404)
    provider.add_fault("refuse", {"path": "get", "call_id": second}, status=500)

    assert customer.get(f"/api/calls/{first}").status_code == 404
    assert customer.get(f"/api/calls/{second}").status_code == 500


def test_a_fault_can_strike_a_number_of_times_and_then_no_more(provider: Simulator, customer: Customer) -> None:
    provider.add_fault("refuse", {"times": 2}, status=503)

    assert [customer.call().status_code for _ in range(3)] == [503, 503, 201]
    assert provider.faults()[0]["hits"] == 2


def test_one_fault_can_end_while_others_go_on(provider: Simulator, customer: Customer) -> None:
    first = provider.add_fault("refuse", status=500)
    provider.add_fault("refuse", status=503)

    assert customer.call().status_code == 500
    provider.remove_fault(first)
    assert customer.call().status_code == 503


def test_a_fault_can_strike_a_share_of_requests_the_same_share_by_the_same_seed(
    provider: Simulator, customer: Customer
) -> None:
    def struck() -> list[bool]:
        provider.reset()
        provider.add_fault("refuse", {"rate": 0.5}, status=503)
        return [customer.call().status_code == 503 for _ in range(40)]

    first = struck()
    assert 8 < sum(first) < 32
    assert struck() == first


def test_an_unknown_fault_is_refused(provider: Simulator) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="explode"):
        provider.add_fault("explode")
    with pytest.raises(httpx.HTTPStatusError, match="number"):
        provider.add_fault("refuse", {"number": OTHER})


def test_connections_can_be_refused_for_a_while(provider: Simulator, customer: Customer) -> None:
    customer.call()
    provider.refuse_connections(0.5)

    with Customer(provider.base_url) as newcomer, pytest.raises(httpx.ConnectError):
        newcomer.call()
    deadline = time.monotonic() + 5
    while True:
        try:
            assert provider.stats()["accepted"] == 1
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline


def _key(provider: Simulator) -> str:
    return provider.config()["accounts"][0]["api_key"]
