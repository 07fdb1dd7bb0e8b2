"""A million calls of long ago, none of them kept in memory."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from local.simulator.accounts import Account
from local.simulator.client import running
from local.simulator.config import AccountConfig
from tests.local.customer import AGENT, CONFIG, KEY, Customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulator.client import Simulator

COUNT = 1_000_000
MEGABYTE = 1_000_000
PAST = {"count": COUNT, "from": "2025-02-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
ACCOUNT = {"api_key": KEY, "agents": [{"agentId": AGENT}], "past": PAST}


@pytest.fixture(scope="module")
def old() -> Iterator[Simulator]:
    """A provider whose customer has a long past."""
    with running({**CONFIG, "accounts": [ACCOUNT], "page_size_max": 1000}) as old:
        yield old


@pytest.fixture
def reader(old: Simulator) -> Iterator[Customer]:
    with Customer(old.base_url) as reader:
        yield reader


def pages(reader: Customer, count: int, **query: Any) -> Iterator[dict[str, Any]]:
    """The first pages of a list, by its own links."""
    page = reader.get("/api/calls", **query).json()
    yield page
    for _ in range(count - 1):
        page = reader.get(page["next"]).json()
        yield page


def test_the_total_is_exact_and_a_page_is_as_long_as_was_asked_for(reader: Customer) -> None:
    page = reader.get("/api/calls", pageSize=7).json()

    assert (page["total"], len(page["results"]), page["previous"]) == (COUNT, 7, None)
    assert page["next"].startswith("http://127.0.0.1:")


def test_a_page_is_never_longer_than_the_provider_allows(reader: Customer) -> None:
    assert len(reader.get("/api/calls", pageSize=5000).json()["results"]) == 1000
    assert len(reader.get("/api/calls", pageSize="many").json()["results"]) == 20


def test_following_the_links_meets_each_call_once_newest_first_in_flat_memory(old: Simulator, reader: Customer) -> None:
    serving = _process(old)
    first = reader.get("/api/calls", pageSize=1000).json()
    before = serving.memory_info().rss

    seen = [call for page in pages(reader, 12, pageSize=1000, sort="-created") for call in page["results"]]
    assert seen[:1000] == first["results"]
    assert len({call["callId"] for call in seen}) == 12_000
    assert all(newer["created"] > older["created"] for newer, older in pairwise(seen))
    assert serving.memory_info().rss - before < 20 * MEGABYTE


def test_a_narrow_window_is_read_to_its_end_and_back(reader: Customer) -> None:
    window = {"fromDate": "2025-06-10T00:00:00Z", "toDate": "2025-06-10T00:59:59.999999Z", "sort": "created"}
    (whole,) = pages(reader, 1, pageSize=1000, **window)
    assert whole["next"] is None
    assert whole["total"] == len(whole["results"])
    assert 100 < whole["total"] < 130
    assert whole["results"][0]["created"] >= "2025-06-10T00:00:00"
    assert whole["results"][-1]["created"] <= "2025-06-10T00:59:59.999999Z"

    first, second, third = pages(reader, 3, pageSize=50, **window)
    assert [*first["results"], *second["results"], *third["results"]] == whole["results"]
    assert third["next"] is None
    back = reader.get(third["previous"]).json()
    assert back["results"] == second["results"]
    assert reader.get(back["previous"]).json()["results"] == first["results"]
    assert reader.get(back["previous"]).json()["previous"] is None


def test_new_calls_come_first_and_shift_no_page(old: Simulator, reader: Customer) -> None:
    old.reset()
    first = reader.get("/api/calls", pageSize=3).json()
    new = reader.call().json()["callId"]

    assert reader.get(first["next"]).json()["results"][0]["created"] < first["results"][-1]["created"]
    page = reader.get("/api/calls", pageSize=3).json()
    assert page["total"] == COUNT + 1
    assert [call["callId"] for call in page["results"]] == [new, *(call["callId"] for call in first["results"][:2])]
    old.reset()


def test_a_call_of_the_past_is_found_by_its_id_and_by_its_metadata(reader: Customer) -> None:
    (page,) = pages(reader, 1, pageSize=40, toDate="2025-09-01")
    for call in page["results"]:
        assert reader.seen(call["callId"]) == call
    known = [call for call in page["results"] if "call_id" in call["metadata"]]
    assert 0 < len(known) < 40
    for call in known[:3]:
        found = reader.get("/api/calls", **{"metadata.call_id": call["metadata"]["call_id"]}).json()
        assert found["results"] == [call]
        assert found["total"] == 1


def test_metadata_that_no_call_of_the_past_has_is_known_at_once_to_be_nobodys(reader: Customer) -> None:
    for key in ("call_id", "batch_id", "agency_id"):
        assert reader.get("/api/calls", **{f"metadata.{key}": AGENT}).json()["total"] == 0


def test_a_deleted_call_of_the_past_is_no_longer_counted(old: Simulator, reader: Customer) -> None:
    (page,) = pages(reader, 1, pageSize=2)
    gone = page["results"][0]
    assert reader.send("DELETE", f"/api/calls/{gone['callId']}").status_code == 204

    after = reader.get("/api/calls", pageSize=1).json()
    assert (after["total"], after["results"]) == (COUNT - 1, page["results"][1:])
    assert reader.get(f"/api/deleted_calls/{gone['callId']}").status_code == 200
    old.reset()


def test_early_calls_lack_todays_fields_and_stay_unbilled(reader: Customer) -> None:
    (early,) = pages(reader, 1, toDate="2025-03-01")
    (late,) = pages(reader, 1, fromDate="2025-07-01")

    for call in early["results"]:
        assert call["ended"]
        assert call["billingStatus"] == "BILLING_STATUS_PENDING"
        assert not {"agent", "agentId", "sipDetails", "initialState"} & call.keys()
    for call in late["results"]:
        assert call["billingStatus"] != "BILLING_STATUS_PENDING"
        assert {"agent", "agentId", "sipDetails", "initialState"} <= call.keys()


def test_the_past_is_the_same_in_every_process(reader: Customer) -> None:
    account = Account(AccountConfig.model_validate(ACCOUNT), seed=1)
    page = reader.get("/api/calls", sort="created", pageSize=5).json()

    assert [call["callId"] for call in page["results"]] == [account.past[index].id for index in range(5)]


def test_some_calls_of_the_past_can_be_broken() -> None:
    account = Account(AccountConfig.model_validate({**ACCOUNT, "past": {**PAST, "malformed_rate": 0.1}}), seed=1)

    broken = sum(account.past.malformed(account.past[index]) for index in range(1000))
    assert 60 < broken < 140


def test_a_cursor_that_was_made_up_is_refused(reader: Customer) -> None:
    for cursor in ("x", "cD14", "%"):
        answer = reader.get("/api/calls", cursor=cursor)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid cursor"})


def _process(provider: Simulator) -> psutil.Process:
    port = int(provider.base_url.rpartition(":")[2])
    children = psutil.Process().children()
    return next(one for one in children if any(at.laddr.port == port for at in one.net_connections() if at.laddr))
