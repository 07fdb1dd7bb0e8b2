"""What a plan allows, and how the provider says that it is too much."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from tests.local.customer import AGENT, KEY, UNLIMITED, Customer, Json
from tests.local.observed import eventually

if TYPE_CHECKING:
    from local.simulator.client import Simulator


def limit(provider: Simulator, **plan: int) -> None:
    """Gives the customer this plan."""
    provider.add_account(KEY, agents=[{"agentId": AGENT}], plan={**UNLIMITED, **plan})


def statuses(customer: Customer, count: int) -> list[int]:
    return [customer.call().status_code for _ in range(count)]


def test_more_calls_in_a_second_than_the_plan_allows_are_throttled(provider: Simulator, customer: Customer) -> None:
    limit(provider, calls_per_second=2)

    assert statuses(customer, 2) == [201, 201]
    answer = customer.call()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "throttled" in answer.json()["detail"]
    assert provider.stats()["refused"] == {"429": 1}
    assert eventually(lambda: customer.call().status_code == 201)
    assert provider.stats()["most_starts_1s"] == 2


def test_more_calls_in_a_minute_are_told_to_come_back_in_a_minute(provider: Simulator, customer: Customer) -> None:
    limit(provider, calls_per_minute=3)

    assert statuses(customer, 4) == [201, 201, 201, 429]
    assert customer.call().headers["Retry-After"] == "60"


def test_a_call_holds_its_slot_from_creation_until_it_has_ended(provider: Simulator, customer: Customer) -> None:
    provider.configure(people={"outcomes": {"no_answer": 1}})
    limit(provider, max_concurrent=2)

    first = customer.call().json()["callId"]
    assert statuses(customer, 2) == [201, 429]
    assert customer.get("/api/accounts/me").json()["allowedConcurrentCalls"] == 2
    provider.end_call(first, "unjoined")
    assert statuses(customer, 2) == [201, 429]
    assert provider.stats()["most_concurrent"] == 2


def test_a_refused_call_counts_for_no_limit(provider: Simulator, customer: Customer) -> None:
    limit(provider, calls_per_minute=2)
    customer.call(joinTimeout="never")

    assert statuses(customer, 3) == [201, 201, 429]


def test_a_refusal_may_be_a_503_and_give_a_date(provider: Simulator, customer: Customer) -> None:
    limit(provider, calls_per_minute=1)
    provider.configure(refusals={"throttled_status": 503, "retry_after": "date"})
    customer.call()

    answer = customer.call()
    wait = parsedate_to_datetime(answer.headers["Retry-After"]) - parsedate_to_datetime(answer.headers["Date"])
    assert answer.status_code == 503
    assert timedelta(seconds=59) <= wait <= timedelta(seconds=63)
    provider.configure(refusals={"retry_after": "none"})
    assert "Retry-After" not in customer.call().headers


def test_all_requests_count_for_the_limit_on_requests(provider: Simulator, customer: Customer) -> None:
    limit(provider, api_requests_per_second=3)

    assert [customer.get("/api/accounts/me").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert customer.call().status_code == 429


def test_one_customers_limit_is_not_anothers(provider: Simulator, customer: Customer) -> None:
    limit(provider, calls_per_minute=1)
    provider.add_account("another", agents=[{"agentId": AGENT}])

    assert statuses(customer, 2) == [201, 429]
    with Customer(provider.base_url, "another") as another:
        assert statuses(another, 2) == [201, 201]


def test_a_throttle_holds_for_the_calls_that_name_it(customer: Customer) -> None:
    rules = [{"maxCalls": 1, "windowSeconds": 60}]
    throttle = customer.send("POST", "/api/call_throttles", {"name": "one a minute", "rules": rules}).json()

    by_name, by_id = {"throttle": "one a minute"}, {"throttle": throttle["throttleId"]}
    answers = [customer.create({}, **query) for query in (by_name, by_id, by_name)]
    assert [answer.status_code for answer in answers] == [201, 429, 429]
    assert answers[1].headers["Retry-After"] == "60"
    assert statuses(customer, 2) == [201, 201]
    assert customer.create({}, throttle="another").status_code == 400


@pytest.mark.parametrize(
    "rules", [[], [{"maxCalls": 0, "windowSeconds": 1}], [{"maxCalls": 101, "windowSeconds": 1}], [{"maxCalls": 1}]]
)
def test_a_throttle_has_rules_within_bounds(customer: Customer, rules: list[dict[str, int]]) -> None:
    answer = customer.send("POST", "/api/call_throttles", {"name": "x", "rules": rules})

    assert (answer.status_code, list(answer.json())) == (400, ["rules"])


def test_throttles_webhooks_and_agents_are_kept_changed_and_deleted(customer: Customer) -> None:
    rules = [{"maxCalls": 1, "windowSeconds": 60}]
    made: dict[str, tuple[str, Json, Json]] = {
        "/api/call_throttles": ("throttleId", {"name": "x", "rules": rules}, {"name": "y"}),
        "/api/webhooks": ("webhookId", {"url": "http://127.0.0.1:9/", "events": ["call.ended"]}, {"events": []}),
        "/api/agents": ("agentId", {"name": "x"}, {"name": "y"}),
    }
    for path, (key, body, change) in made.items():
        one = customer.send("POST", path, body).json()
        place = f"{path}/{one[key]}"
        assert one in customer.get(path).json()["results"]
        assert customer.get(place).json() == one
        assert customer.send("PATCH", place, change).json() == {**one, **change}
        assert customer.send("DELETE", place).status_code == 204
        assert customer.get(place).status_code == 404
