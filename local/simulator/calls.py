"""The life of a call: created, joined, ended, billed, and perhaps deleted."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from local.simulator.call import Call, Settings, number_of
from local.simulator.chance import Ids
from local.simulator.durations import seconds
from local.simulator.oracle import Oracle, Start
from local.simulator.people import course, draw
from local.simulator.refusal import detail
from local.simulator.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.simulator.accounts import Account, Agent
    from local.simulator.config import Config, People
    from local.simulator.people import Outcome, Person

_NOT_KEPT = {"metadata", "templateContext", "sharedSecrets", "medium", "agentId"}
_SHARED_SETTINGS_MAX = 10_000


class Calls:
    """All calls since the start or the last reset, in the order of their acceptance."""

    def __init__(self, config: Config, emit: Callable[[str, Call], None]) -> None:
        self.config = config
        self.oracle = Oracle()
        self.timers = Timers()
        self.all: list[Call] = []
        self._emit = emit
        # New ids after every start and reset: whoever stored the old ones must never meet them again.
        self._ids = Ids(secrets.token_hex(8))
        self._shared: dict[bytes, Settings] = {}
        self._last_created = 0.0
        self._wall = time.time() - time.monotonic()

    def create(self, account: Account, agent: Agent | None, request: dict[str, Any], now: float) -> Call:
        """Accepts a call at `now` (monotonic); whoever is called begins to behave as drawn."""
        to, settings = self._split(request)
        index = len(self.all)
        created = self._last_created = max(round(now + self._wall, 6), round(self._last_created + 2e-6, 6))
        metadata: dict[str, str] = request.get("metadata", {})
        call = Call(index, self._ids.encode(index), account, agent, to, metadata, settings, created)
        call.started = now
        self.all.append(call)
        account.calls.append(call)
        account.live += 1
        if agent:
            agent.calls += 1
        call.nth = self.oracle.accepted(self._start(call))
        self._begin(call)
        self._emit("call.started", call)
        return call

    def find(self, account: Account, call_id: str) -> Call:
        """The account's call, past or present, that has not been deleted. Raises Refusal 404."""
        call = self.peek(account, call_id)
        if call is None or call.deleted is not None:
            raise detail(404, "No Call matches the given query.")
        return call

    def peek(self, account: Account, call_id: str) -> Call | None:
        """The account's call, past or present, deleted or not."""
        call = self.present(call_id) or account.past.find(call_id)
        return call if call and call.account is account else None

    def present(self, call_id: str) -> Call | None:
        """Anybody's call since the start or the last reset."""
        index = self._ids.decode(call_id)
        return None if index is None or index >= len(self.all) else self.all[index]

    def epoch(self, now: float) -> float:
        """Monotonic as epoch seconds, by the clock that the calls are stamped with."""
        return now + self._wall

    def with_call_id(self, account: Account, value: str) -> list[Call]:
        """The account's calls of the present with this `metadata.call_id`, oldest first, deleted ones too."""
        return [self.all[index] for index in self.oracle.with_call_id(account.id, value)]

    def join(self, call: Call, now: float) -> None:
        """Somebody answers now. Raises Refusal 400 if the call is joined or over."""
        if call.joined is not None or call.ended is not None or call.course is None:
            raise detail(400, "The call is joined already, or over.")
        people, limit = self._people(call), seconds(call.setting("maxDuration", "3600s"))
        person = self._person(call)._replace(outcome="answered", ring_seconds=0.0)
        call.course = course(person, float("inf"), limit, people)._replace(joined_after=now - call.started)
        self._joined(call, now, now + call.course.ended_after)

    def end(self, call: Call, now: float, reason: str, outcome: Outcome | None = None) -> None:
        """The call is over now. Raises Refusal 400 if it was over."""
        if call.ended is not None or call.course is None:
            raise detail(400, "The call is over already.")
        if outcome:
            call.course = call.course._replace(outcome=outcome)
        self._ended(call, now, reason)

    def delete(self, call: Call, now: float) -> None:
        """Leaves only a tombstone. Raises Refusal 400 while the call is live."""
        if call.ended is None:
            raise detail(400, "A call cannot be deleted before it has ended.")
        call.deleted = now + self._wall
        call.account.tombstones.append(call)
        if call.index < 0:
            call.account.past.delete(call)

    def _begin(self, call: Call) -> None:
        join_timeout = seconds(call.setting("joinTimeout", "30s"))
        max_duration = seconds(call.setting("maxDuration", "3600s"))
        call.course = course(self._person(call), join_timeout, max_duration, self._people(call))
        after = call.course.joined_after
        self._at(call, call.started + (call.course.ended_after if after is None else after))

    def _people(self, call: Call) -> People:
        return self.config.people_for(call.number or "")

    def _person(self, call: Call) -> Person:
        person = draw(self.config.seed, call.number or "", call.nth, self._people(call))
        return person if call.to else person._replace(outcome="no_answer")

    def _at(self, call: Call, due: float) -> None:
        call.due = due
        self.timers.at(due, lambda at: self._step(call, at))

    def _step(self, call: Call, at: float) -> None:
        if call.due != at:
            return
        if call.course is None:
            self._billed(call, at)
        elif call.joined is None and call.course.joined_after is not None:
            self._joined(call, at, call.started + call.course.ended_after)
        else:
            self._ended(call, at, call.course.end_reason)

    def _joined(self, call: Call, at: float, until: float) -> None:
        call.joined = self._epoch(call, at)
        self._emit("call.joined", call)
        self._at(call, until)

    def _ended(self, call: Call, at: float, reason: str) -> None:
        call.ended = self._epoch(call, at)
        call.end_reason = reason
        call.outcome = call.course.outcome if call.course else None
        call.course = None
        call.account.live -= 1
        self.oracle.ended(call.index, call.account.id, call.number, call.metadata.get("batch_id"))
        self._emit("call.ended", call)
        self._at(call, at + self.config.billed_after_seconds)

    def _billed(self, call: Call, at: float) -> None:
        call.billed = self._epoch(call, at)
        self._emit("call.billed", call)
        if call.setting("retentionPolicy", "").endswith("AUTO_DELETE") and call.deleted is None:
            self.delete(call, at)

    def _epoch(self, call: Call, at: float) -> float:
        return round(call.created + at - call.started, 6)

    def _start(self, call: Call) -> Start:
        ids = call.metadata
        return Start(
            call.index,
            call.account.id,
            call.number,
            ids.get("batch_id"),
            ids.get("contact_id"),
            ids.get("call_id"),
            call.started,
            call.created,
        )

    def _split(self, request: dict[str, Any]) -> tuple[str | None, Settings]:
        settings = {name: value for name, value in request.items() if name not in _NOT_KEPT}
        to: str | None = None
        for provider, medium in request.get("medium", {}).items():
            settings["medium"] = {provider: dict(medium)}
            if "outgoing" in medium:
                outgoing = dict(medium["outgoing"])
                to = outgoing.pop("to")
                settings["medium"][provider]["outgoing"] = outgoing
        if len(self._shared) > _SHARED_SETTINGS_MAX:
            self._shared.clear()
        return to, self._shared.setdefault(to_json(settings), settings)


def called_number(request: dict[str, Any]) -> str | None:
    """The number that a creation request asks for, before anything in it has been checked."""
    for medium in _map(request.get("medium")).values():
        to = _map(_map(medium).get("outgoing")).get("to")
        return number_of(to) if isinstance(to, str) else None
    return None


def called_ids(request: dict[str, Any]) -> dict[str, str]:
    """The strings in the metadata of a creation request, before anything in it has been checked."""
    return {key: value for key, value in _map(request.get("metadata")).items() if isinstance(value, str)}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]
