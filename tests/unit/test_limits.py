"""What a container remembers of callers who are over their limit, and which refusals it has counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared import limits
from shared.auth import Caller
from shared.errors import NotFoundError, TooManyRequestsError, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import Served

WHO = Caller(uuid4(), "token")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(limits, "boottime", clock.now)
    limits.close()
    yield clock
    limits.close()


def over_the_limit(wait: int) -> Exception:
    """What the database says."""
    said = refusal(
        "PT429", "More than 3 requests in a minute.", f'{{"code": "too_many_requests", "retry_after": {wait}}}'
    )
    assert said
    return said


def ask(who: Caller = WHO, method: str = "POST", said: Callable[[], Exception] | None = None) -> None:
    with limits.limited(who, method):
        if said:
            raise said()


def told(who: Caller = WHO) -> str:
    """The Retry-After of somebody who is not even let in."""
    with pytest.raises(TooManyRequestsError) as refused:
        ask(who, said=lambda: AssertionError("the work was begun"))
    assert not refused.value.rolled_back
    wait = refused.value.headers["Retry-After"]
    assert str(refused.value) == f"Too many requests in a minute. Please try again in {wait} s."
    return wait


def test_who_was_told_to_wait_is_not_let_in_before_and_is_told_what_is_left(clock: Clock) -> None:
    with pytest.raises(TooManyRequestsError):
        ask(said=lambda: over_the_limit(40))

    assert told() == "40"
    clock.seconds += 39.5
    assert told() == "1"
    clock.seconds += 0.5
    ask()


def test_reading_is_for_everybody_and_others_do_not_wait() -> None:
    with pytest.raises(TooManyRequestsError):
        ask(said=lambda: over_the_limit(40))

    ask(method="GET")
    ask(Caller(uuid4(), "token"))
    ask(Caller(None, "", "bl_key_1", "ab"))


def test_a_key_with_another_secret_is_somebody_else() -> None:
    with pytest.raises(TooManyRequestsError):
        ask(Caller(None, "", "bl_key_1", "ab"), said=lambda: over_the_limit(40))

    assert told(Caller(None, "", "bl_key_1", "ab")) == "40"
    ask(Caller(None, "", "bl_key_1", "cd"))


def test_what_others_are_throttled_with_is_not_the_callers_limit() -> None:
    with pytest.raises(TooManyRequestsError):
        ask(said=lambda: TooManyRequestsError(headers={"Retry-After": "40"}))

    ask()


def test_an_agency_that_is_busy_is_not_the_callers_limit_and_counts(postgrest: Served) -> None:
    busy = refusal("PT429", "Too much is being changed at once.", '{"code": "agency_busy", "retry_after": 1}')
    assert busy

    with pytest.raises(TooManyRequestsError):
        ask(said=lambda: busy)

    (counted,) = postgrest.asked
    assert (counted.path, json.loads(counted.body)) == (
        "/rpc/authorize",
        {"p_user_id": str(WHO.user_id), "p_writes": False},
    )
    ask()


def test_what_was_refused_stays_so_where_it_cannot_be_counted(postgrest: Served) -> None:
    postgrest.answer = lambda _: (500, b"")
    gone = refusal("PT404", "Batch not found", '{"code": "batch_not_found"}')
    assert gone

    with pytest.raises(NotFoundError):
        ask(said=lambda: gone)


def test_the_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 2)
    callers = [Caller(uuid4(), "token") for _ in range(3)]
    for who in callers:
        with pytest.raises(TooManyRequestsError):
            ask(who, said=lambda: over_the_limit(40))

    assert told(callers[-1]) == "40"
    ask(callers[0])
