"""The oracle finds what was planted, to the instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.simulator.limits import Window
from local.simulator.oracle import Oracle, Start, most_in_any
from tests.local.customer import NUMBER

if TYPE_CHECKING:
    from local.simulator.client import Simulator
    from tests.local.customer import Customer

OTHER = "+12135550124"


class Planted:
    """Calls at chosen instants of one account and one batch."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        self._count = 0

    def start(
        self,
        at: float,
        to: str = NUMBER,
        *,
        account: str = "acme",
        batch: str = "b",
        contact: str | None = None,
        call_id: str | None = None,
    ) -> int:
        order, self._count = self._count, self._count + 1
        self.oracle.accepted(Start(order, account, to, batch, contact, call_id, at, 1000 + at))
        return order

    def end(self, order: int, to: str = NUMBER) -> None:
        self.oracle.ended(order, "acme", to, "b")

    @property
    def stats(self) -> dict[str, object]:
        return self.oracle.stats("acme", "b")


@pytest.fixture
def planted() -> Planted:
    return Planted()


def test_a_second_call_to_a_number_that_is_being_called_is_a_double_dial(planted: Planted) -> None:
    planted.start(0)
    planted.start(1)

    assert planted.stats["double_dials"] == 1
    assert planted.oracle.stats("acme", None)["double_dials"] == 1
    (example,) = planted.oracle.stats(None, None)["overlapping"]
    assert example["to"] == NUMBER
    assert example["live_earlier_calls"] == [0]


def test_a_call_that_ended_does_not_make_the_next_one_double(planted: Planted) -> None:
    planted.end(planted.start(0))
    planted.start(1)

    assert planted.stats["double_dials"] == 0
    assert planted.stats["most_calls_per_number"] == 2


def test_an_earlier_call_still_counts_after_a_later_one_has_ended(planted: Planted) -> None:
    planted.start(0)
    planted.end(planted.start(1))
    planted.start(2)

    assert planted.stats["double_dials"] == 2


def test_two_accounts_may_call_one_number_at_once(planted: Planted) -> None:
    planted.start(0)
    planted.start(1, account="globex")

    assert planted.oracle.stats(None, None)["double_dials"] == 0


def test_two_batches_of_one_account_may_not(planted: Planted) -> None:
    planted.start(0, batch="a")
    planted.start(1, batch="b")

    assert planted.oracle.stats("acme", "a")["double_dials"] == 0
    assert planted.oracle.stats("acme", "b")["double_dials"] == 1


def test_a_repeated_call_id_is_a_double_dial_even_long_after(planted: Planted) -> None:
    planted.end(planted.start(0, call_id="one"))
    planted.end(planted.start(900, call_id="one"))
    planted.end(planted.start(1800, OTHER, call_id="one"), OTHER)

    assert planted.stats["double_dials"] == 2
    assert planted.stats["most_calls_per_call_id"] == 3
    assert planted.oracle.with_call_id("acme", "one") == [0, 1, 2]
    assert planted.oracle.with_call_id("globex", "one") == []


def test_calls_are_counted_per_contact(planted: Planted) -> None:
    for at in range(3):
        planted.end(planted.start(at, contact="ann"))
    planted.start(4, OTHER, contact="bob")

    assert planted.stats["most_calls_per_contact"] == 3


def test_a_window_is_half_open(planted: Planted) -> None:
    planted.start(0)
    planted.start(60, OTHER)

    assert planted.stats["most_starts_60s"] == 1


def test_a_start_just_inside_the_window_is_a_violation(planted: Planted) -> None:
    planted.start(0)
    planted.start(59.999, OTHER)

    assert planted.stats["most_starts_60s"] == 2
    assert planted.stats["most_starts_1s"] == 1


def test_the_busiest_window_need_not_begin_on_a_full_second(planted: Planted) -> None:
    for at in (0.1, 0.9, 1.1, 1.2, 2.3):
        planted.start(at)

    assert planted.stats["most_starts_1s"] == 3
    assert most_in_any([2.3, 0.1, 0.9, 1.2, 1.1], 1) == 3
    assert most_in_any([0, 1], 1) == 1
    assert most_in_any([], 1) == 0


def test_most_concurrent_counts_lives_not_starts(planted: Planted) -> None:
    first, second = planted.start(0), planted.start(1, OTHER)
    planted.end(first)
    planted.end(second, OTHER)
    planted.start(2)

    assert planted.stats["most_concurrent"] == 2
    assert planted.stats["live"] == 1


def test_first_and_last_acceptance_are_told_in_epoch_seconds(planted: Planted) -> None:
    planted.start(1)
    planted.start(5, OTHER)

    assert (planted.stats["first_accepted_at"], planted.stats["last_accepted_at"]) == (1001, 1005)


def test_a_batch_that_was_never_seen_counts_nothing(planted: Planted) -> None:
    stats = planted.oracle.stats("acme", "b")

    assert (stats["accepted"], stats["first_accepted_at"], stats["overlapping"]) == (0, None, [])


@pytest.mark.parametrize(("now", "wait"), [(0.5, 0.5), (0.999, 0.001), (1.0, 0.0)])
def test_a_limit_says_how_long_until_there_is_room(now: float, wait: float) -> None:
    window = Window(2, 1)
    window.take(0)
    window.take(0.4)

    assert window.wait(now) == pytest.approx(wait)  # pyright: ignore[reportUnknownMemberType]


def test_the_running_oracle_sees_double_dials_and_lists_all_calls(provider: Simulator, customer: Customer) -> None:
    provider.configure(people={"talk_seconds": [60, 60]})
    ids = {"batch_id": "b", "contact_id": "c", "call_id": "one"}
    first = customer.call(metadata=ids).json()["callId"]
    second = customer.call(metadata={**ids, "call_id": "two"}).json()["callId"]
    customer.call(OTHER, metadata={"batch_id": "other"})

    stats = provider.stats(batch_id="b")
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (2, 1, 2)
    assert (stats["live"], stats["most_concurrent"]) == (2, 2)
    assert [call["ultravox_call_id"] for call in provider.calls(batch_id="b")] == [first, second]
    provider.end_call(first)
    assert provider.stats(batch_id="b")["live"] == 1
    ended, live = provider.calls(batch_id="b")
    assert ended["end_reason"] == "hangup"
    assert ended["ended_at"] > ended["accepted_at"]
    assert live["ended_at"] is None


def test_the_list_of_calls_is_paged(provider: Simulator, customer: Customer) -> None:
    for _ in range(5):
        customer.call()

    answer = customer.get("/simulator/calls", limit=2).json()
    assert ([call["index"] for call in answer["calls"]], answer["next"]) == ([0, 1], 1)
    answer = customer.get("/simulator/calls", limit=2, after=3).json()
    assert ([call["index"] for call in answer["calls"]], answer["next"]) == ([4], None)
    since = provider.calls()[3]["accepted_at"]
    assert [call["index"] for call in provider.calls(since=since)] == [3, 4]


def test_a_reset_forgets_calls_and_keeps_the_customer(provider: Simulator, customer: Customer) -> None:
    old = customer.call().json()["callId"]
    provider.reset()

    assert provider.stats()["accepted"] == 0
    assert customer.get(f"/api/calls/{old}").status_code == 404
    assert customer.call().json()["callId"] != old
