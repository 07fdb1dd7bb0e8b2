"""How the people who are called behave, drawn from a seed: the same number called for the same time does the same,
whenever that is and whatever else goes on."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple

from local.simulator.chance import chances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.simulator.config import People

Outcome = Literal[
    "answered",
    "voicemail",
    "dropped",
    "no_answer",
    "busy",
    "rejected",
    "invalid_number",
    "unavailable",
    "connection_error",
    "system_error",
]

TERMINATIONS: dict[Outcome, str] = {
    "answered": "SIP_TERMINATION_NORMAL",
    "voicemail": "SIP_TERMINATION_NORMAL",
    "dropped": "SIP_TERMINATION_UNKNOWN",
    "no_answer": "SIP_TERMINATION_TIMEOUT",
    "busy": "SIP_TERMINATION_BUSY",
    "rejected": "SIP_TERMINATION_REJECTED",
    "invalid_number": "SIP_TERMINATION_INVALID_NUMBER",
    "unavailable": "SIP_TERMINATION_DESTINATION_UNAVAILABLE",
    "connection_error": "SIP_TERMINATION_UNKNOWN",
    "system_error": "SIP_TERMINATION_UNKNOWN",
}


class Person(NamedTuple):
    """What one person does with one call; times in seconds."""

    outcome: Outcome
    ring_seconds: float
    talk_seconds: float
    agent_hangs_up: bool


class Course(NamedTuple):
    """The course of one call; offsets in seconds from its acceptance. `joined_after` is None if nobody ever joins."""

    joined_after: float | None
    ended_after: float
    end_reason: str
    outcome: Outcome


def draw(seed: int, number: str, nth: int, people: People) -> Person:
    """The behaviour of `number` in the `nth` call (from 1) that one account places to it. Pure."""
    return person(chances(seed, number, nth), people)


def person(drawn: Sequence[float], people: People) -> Person:
    """The behaviour that four chances make."""
    which, ring, talk, hang_up = drawn
    return Person(
        _pick(people.outcomes, which),
        _between(people.ring_seconds, ring),
        _between(people.talk_seconds, talk),
        hang_up < 0.5,
    )


def course(person: Person, join_timeout: float, max_duration: float, people: People) -> Course:
    """What becomes of a call to this person, given the call's two limits in seconds. Pure."""
    outcome = person.outcome
    if outcome == "no_answer":
        ended = join_timeout if people.no_answer_seconds is None else min(join_timeout, people.no_answer_seconds)
        return Course(None, ended, "unjoined", outcome)
    if person.ring_seconds >= join_timeout:
        return Course(None, join_timeout, "unjoined", "no_answer")
    if outcome in ("answered", "voicemail"):
        return _answered(person, max_duration)
    if outcome == "dropped":
        talk = min(person.talk_seconds, people.dropped_after_seconds, max_duration)
        return Course(person.ring_seconds, person.ring_seconds + talk, "connection_error", outcome)
    reason = outcome if outcome in ("connection_error", "system_error") else "unjoined"
    return Course(None, person.ring_seconds, reason, outcome)


def _answered(person: Person, max_duration: float) -> Course:
    talk = min(person.talk_seconds, max_duration)
    by_agent = person.agent_hangs_up or person.outcome == "voicemail"
    reason = "timeout" if person.talk_seconds >= max_duration else "agent_hangup" if by_agent else "hangup"
    return Course(person.ring_seconds, person.ring_seconds + talk, reason, person.outcome)


def _pick(weights: dict[Outcome, float], chance: float) -> Outcome:
    outcomes: list[Outcome] = [outcome for outcome, weight in weights.items() if weight]
    bounds = list(accumulate(weights[outcome] for outcome in outcomes))
    return outcomes[min(bisect_right(bounds, chance * bounds[-1]), len(outcomes) - 1)]


def _between(bounds: tuple[float, float], chance: float) -> float:
    low, high = bounds
    return low + (high - low) * chance
