"""One process of the dialler, as far as the database and the provider see it: what it holds, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from tests.chaos.sql.provider import Provider
    from tests.sql.world import World

    Json = dict[str, Any]

DIAL_BY = 10
# What may become of a POST. The provider takes those with "placed" in their name.
ANSWERS = {
    "placed": "accepted",
    "placed, answer lost": "unknown",
    "placed late": "unknown",
    "lost on its way": "unknown",
    "number refused": "number_refused",
    "refused": "refused",
    "throttled": "throttled",
    "account refused": "account_refused",
    "agent gone": "agent_gone",
    "unreachable": "unreachable",
}


@dataclass
class Post:
    """A begun call whose POST has not left yet. `dial_by` is on a clock that no database moves."""

    order: Json
    dial_by: float


@dataclass
class Process:
    """`claimed`, `posts`, `results` and `answers` are what dies with it."""

    name: str
    frozen: bool = False
    claimed: list[Json] = field(default_factory=list[Any])
    beginning: tuple[list[Json], float] | None = None  # asked for, not yet answered
    posts: list[Post] = field(default_factory=list[Post])
    results: list[Json] = field(default_factory=list[Any])
    answers: list[tuple[World, Json]] = field(default_factory=list[Any])

    def claim(self, world: World, limit: int, answer_lost: bool) -> list[Json]:
        orders: list[Json] = world.claim_answer(limit, self.name)["calls"]
        if not answer_lost:
            self.claimed += orders
        return orders

    def begin(self, world: World, now: float, answer_lost: bool) -> list[str]:
        """Begins what it has claimed, or asks again for what it got no answer about. Answers what has begun."""
        if self.beginning is None:
            self.beginning = (self.claimed, now + DIAL_BY)  # before asking: the commit can only be later
            self.claimed = []
        orders, dial_by = self.beginning
        begun = [str(one) for one in world.begin([UUID(order["call_id"]) for order in orders], self.name)]
        if not answer_lost:
            self.beginning = None
            self.posts += [Post(order, dial_by) for order in orders if order["call_id"] in begun]
        return begun

    def send(self, provider: Provider, fate: str, ending: str) -> None:
        """The next POST leaves, unless its time is over."""
        post = self.posts.pop(0)
        result: Json = {"call_id": post.order["call_id"], "result": ANSWERS[fate], "reason": fate}
        if provider.now >= post.dial_by:
            result |= {"result": "not_sent", "reason": "The time to send had passed"}
        elif fate == "placed late":
            provider.place_late(post.order, ending)
        elif fate in ("placed", "placed, answer lost"):
            call = provider.place(post.order, ending)
            result |= {"ultravox_call_id": call.id} if fate == "placed" else {}
        self.results.append(result | ({"retry_after_seconds": 7} if fate == "throttled" else {}))

    def settle(self, world: World, count: int, answer_lost: bool) -> None:
        """Writes its first results; where the answer is lost it will write them again."""
        world.settle_all(self.results[:count])
        if not answer_lost:
            del self.results[:count]

    def ask(self, world: World, provider: Provider, how: str) -> None:
        """Asks the provider what it is to be asked; the answers are still to be written."""
        for question in world.questions()["calls"]:
            asked = {"call_id": question["call_id"], "asked_at": question["asked_at"]}
            found = provider.look_up(question, lags=how == "lags")
            if how == "fails":
                self.answers.append((world, {**asked, "answer": "failed", "reason": "The look-up is down"}))
            elif not found:
                self.answers.append(
                    (world, {**asked, "answer": "none", "ultravox_call_id": question["ultravox_call_id"]})
                )
            else:
                self.answers += [(world, {**asked, "answer": "found", "call": call}) for call in found]

    def record(self) -> None:
        """Writes what the provider answered."""
        for world, answer in self.answers:
            world.verb("record_answers", p_answers=[answer], p_ask_again_seconds=120)
        self.answers = []
