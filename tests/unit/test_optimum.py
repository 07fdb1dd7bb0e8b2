"""The simulation that benchmarks compare with: exact, and never better than the limits allow."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.optimum import (
    MINUTE,
    SECOND,
    Life,
    Limits,
    begun,
    held,
    most_at_once,
    most_in_any,
    permitted,
    simulate,
)

UNTIL = 2 * MINUTE
LIMITS = st.builds(Limits, calls_per_minute=st.integers(1, 130), max_concurrent=st.integers(1, 5))
HOLDS = st.lists(st.integers(1, 40 * SECOND), min_size=1, max_size=60)


def starts(lives: list[Life]) -> list[float]:
    return [life.begun / SECOND for life in lives]


def test_one_call_a_second_begins_at_60_a_minute():
    (lives,) = simulate(Limits(600, 100), [(Limits(60, 100), [SECOND] * 300)], UNTIL)

    assert starts(lives) == list(range(120))


def test_a_minutes_calls_begin_two_a_second_and_then_wait_at_90_a_minute():
    (lives,) = simulate(Limits(600, 100), [(Limits(90, 100), [1] * 300)], UNTIL)

    assert starts(lives) == sorted([*range(45), *range(45), *range(60, 105), *range(60, 105)])


def test_a_place_is_taken_at_the_instant_at_which_it_is_freed():
    (lives,) = simulate(Limits(600, 100), [(Limits(600, 2), [5 * SECOND, 7 * SECOND, SECOND, SECOND])], UNTIL)

    assert starts(lives) == [0, 0, 5, 6]
    assert most_at_once(lives) == 2


def test_batches_of_one_plan_take_turns():
    lives = simulate(Limits(60, 100), [(Limits(60, 100), [1] * 9)] * 3, 9 * SECOND)

    assert [starts(batch) for batch in lives] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_held_counts_each_call_up_to_the_end_of_the_window():
    lives = [Life(0, 4 * SECOND), Life(8 * SECOND, 20 * SECOND), Life(12 * SECOND, 13 * SECOND)]

    assert held(lives, 10 * SECOND) == 6 * SECOND
    assert begun(lives, 10 * SECOND) == 2


def test_windows_are_half_open():
    assert most_in_any([0, SECOND - 1, SECOND], SECOND) == 2
    assert most_in_any([0, SECOND], SECOND) == 1
    assert most_at_once([Life(0, SECOND), Life(SECOND, 2 * SECOND)]) == 1


def test_of_a_burst_only_what_the_limits_permit_is_kept():
    burst = [Life(n, n + SECOND) for n in range(60)]

    kept = permitted(Limits(600, 100), [(Limits(120, 100), [*burst, Life(5 * SECOND, 6 * SECOND)])])

    assert kept == [[*burst[:2], Life(5 * SECOND, 6 * SECOND)]]


@settings(deadline=None)
@given(plan=LIMITS, batches=st.lists(st.tuples(LIMITS, HOLDS), min_size=1, max_size=3))
def test_no_limit_is_exceeded_and_all_are_permitted(plan: Limits, batches: list[tuple[Limits, list[int]]]):
    lives = simulate(plan, batches, UNTIL)

    whole = [life for batch in lives for life in batch]
    for limits, its in [(plan, whole), *zip([limits for limits, _ in batches], lives, strict=True)]:
        assert most_in_any([life.begun for life in its], MINUTE) <= limits.calls_per_minute
        assert most_in_any([life.begun for life in its], SECOND) <= limits.calls_per_second
        assert most_at_once(its) <= limits.max_concurrent
    kept = permitted(plan, [(limits, its) for (limits, _), its in zip(batches, lives, strict=True)])
    assert [sorted(its) for its in kept] == [sorted(its) for its in lives]


@settings(deadline=None, max_examples=50)
@given(
    limits=st.builds(Limits, calls_per_minute=st.integers(1, 3), max_concurrent=st.integers(1, 2)),
    holds=st.lists(st.integers(1, 90), min_size=4, max_size=4),
)
def test_no_order_preserving_plan_has_ever_begun_more(limits: Limits, holds: list[int]):
    until = 160 * SECOND
    (lives,) = simulate(Limits(1000, 1000), [(limits, [hold * SECOND for hold in holds])], until)

    for waits in product((0, 1, 31, 60), repeat=len(holds)):
        at, planned = 0, list[Life]()
        for wait, hold in zip(waits, holds, strict=True):
            at += wait * SECOND
            planned.append(Life(at, at + hold * SECOND))
        if permitted(Limits(1000, 1000), [(limits, planned)]) == [planned]:
            for end in range(0, until, 10 * SECOND):
                assert begun(planned, end) <= begun(lives, end)
                assert held(planned, end) <= held(lives, end)
