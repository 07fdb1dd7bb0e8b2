"""People behave as their seed says, whatever else goes on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from local.simulator.config import Config, People
from local.simulator.people import Course, Person, course, draw
from tests.local.customer import CONFIG, NUMBER
from tests.local.observed import eventually

if TYPE_CHECKING:
    from local.simulator.client import Simulator
    from local.simulator.people import Outcome
    from tests.local.customer import Customer

PEOPLE = People(ring_seconds=(2, 4), talk_seconds=(10, 20))
DROPPING = People(dropped_after_seconds=3)


def who(outcome: Outcome, ring: float = 5, talk: float = 30) -> Person:
    return Person(outcome, ring, talk, agent_hangs_up=False)


def test_the_same_seed_number_and_turn_behave_the_same() -> None:
    assert draw(7, NUMBER, 1, PEOPLE) == draw(7, NUMBER, 1, PEOPLE)


def test_another_seed_number_or_turn_behaves_differently() -> None:
    rings = {
        draw(seed, number, nth, PEOPLE).ring_seconds
        for seed, number, nth in [(7, "a", 1), (8, "a", 1), (7, "b", 1), (7, "a", 2)]
    }

    assert len(rings) == 4


def test_times_fill_their_bounds() -> None:
    drawn = [draw(1, NUMBER, nth, PEOPLE) for nth in range(2000)]

    rings, talks = [one.ring_seconds for one in drawn], [one.talk_seconds for one in drawn]
    assert 2 <= min(rings) < 2.1
    assert 3.9 < max(rings) <= 4
    assert 10 <= min(talks) < 10.5
    assert 19.5 < max(talks) <= 20


def test_outcomes_come_as_often_as_they_weigh() -> None:
    people = People(outcomes={"answered": 6, "busy": 3, "no_answer": 1, "rejected": 0})

    seen = Counter(draw(1, NUMBER, nth, people).outcome for nth in range(10_000))

    assert seen["rejected"] == 0
    for outcome, share in {"answered": 0.6, "busy": 0.3, "no_answer": 0.1}.items():
        assert seen[outcome] / 10_000 == pytest.approx(share, abs=0.02)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (who("answered"), Course(5, 35, "hangup", "answered")),
        (who("answered", talk=100), Course(5, 65, "timeout", "answered")),
        (who("answered", ring=90), Course(None, 90, "unjoined", "no_answer")),
        (who("voicemail"), Course(5, 35, "agent_hangup", "voicemail")),
        (who("dropped"), Course(5, 8, "connection_error", "dropped")),
        (who("no_answer"), Course(None, 90, "unjoined", "no_answer")),
        (who("busy"), Course(None, 5, "unjoined", "busy")),
        (who("system_error"), Course(None, 5, "system_error", "system_error")),
    ],
)
def test_the_course_of_a_call_follows_from_the_person_and_the_two_limits(person: Person, expected: Course) -> None:
    assert course(person, 90, 60, DROPPING) == expected


def test_the_carrier_may_give_up_before_the_join_timeout() -> None:
    people = People(no_answer_seconds=25)

    assert course(who("no_answer"), 90, 60, people).ended_after == 25
    assert course(who("no_answer"), 20, 60, people).ended_after == 20


def test_single_numbers_and_endings_of_numbers_can_behave_otherwise() -> None:
    busy, silent = {"outcomes": {"busy": 1}}, {"outcomes": {"no_answer": 1}}
    config = Config(people_by_number={NUMBER: busy, "*0124": silent})

    assert draw(1, NUMBER, 1, config.people_for(NUMBER)).outcome == "busy"
    assert draw(1, "+12135550124", 1, config.people_for("+12135550124")).outcome == "no_answer"
    assert config.people_for("+12135550125") == config.people


def test_a_running_simulator_does_what_the_pure_function_foretells(provider: Simulator, customer: Customer) -> None:
    config = Config.model_validate(CONFIG)
    for _ in range(3):
        customer.call()
    assert eventually(lambda: provider.stats()["live"] == 0)

    for nth, call in enumerate(provider.calls(), 1):
        person = draw(config.seed, NUMBER, nth, config.people)
        way = course(person, 30, 3600, config.people)
        assert call["nth"] == nth
        lasted = call["ended_monotonic"] - call["accepted_monotonic"]
        assert lasted == pytest.approx(way.ended_after, abs=2e-6)  # pyright: ignore[reportUnknownMemberType]
        assert call["outcome"] == way.outcome
