"""What the provider of a state machine really did: an account of its own, kept beside ours and never asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from tests.sql import payloads

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json = dict[str, Any]

SIP = {"no_answer": None, "busy": "BUSY", "invalid_number": "INVALID_NUMBER", "rejected": "REJECTED", "error": None}
ENDINGS = ("answered", "dropped", *SIP)
RETRIED = ("no_answer", "busy", "dropped", "error")

# What the timers allow for: a POST that has arrived is taken or not within so many seconds, and what was taken is
# listed so many seconds later. With dial_by (10) the sum must be over at the second question (60 + 120), and where a
# clock that jumps may cut one of the two short, at the first.
DECIDES_WITHIN = 20
LISTS_LATE = 140
LISTS_SOON = 25
LONGEST_LIFE = 90 + 3600  # join time-out and maximum duration: whatever happens, a call is over by then


class DoubleDialError(AssertionError):
    """Somebody was called who should not have been."""


@dataclass
class Placed:
    """A call that the provider placed. `said` holds what each event told, or would have told had it come."""

    id: UUID
    order: Mapping[str, Any]
    ending: str
    at: float
    time: datetime
    said: Json = field(default_factory=dict[str, Any])

    @property
    def live(self) -> bool:
        return "ended" not in self.said

    @property
    def latest(self) -> Json:
        """What a GET answers."""
        return list(self.said.values())[-1]

    def go_on(self) -> None:
        """To its next event, as its ending wants."""
        told = self._story()
        following = [word for word in told if word not in self.said]
        if following:
            self.said[following[0]] = told[following[0]]

    def end(self) -> None:
        while self.live:
            self.go_on()

    def _story(self) -> payloads.Payloads:
        row = {**self.order, "id": self.order["call_id"], "began_at": self.time.isoformat()}
        if self.ending in SIP:
            told = payloads.unanswered(row, self.id, SIP[self.ending])
        else:
            told = payloads.answered(row, self.id, 5 if self.ending == "dropped" else 42)
        if self.ending in ("error", "dropped"):
            for word in ("ended", "billed"):
                told[word] |= {"endReason": "connection_error"}
        return told


class Provider:
    """Takes POSTs, tells the truth, and raises DoubleDialError at a call that should not have been asked for.

    `now` is real time, in seconds: it goes on while a worker is frozen, and no database clock changes it.
    """

    def __init__(self, time: datetime, max_attempts: Mapping[str, int]) -> None:
        self.now = 0.0
        self.lists_within = LISTS_SOON
        self.calls: list[Placed] = []
        self._start = time
        self._undecided: list[tuple[float, Mapping[str, Any], str]] = []
        self._max_attempts = max_attempts

    def place(self, order: Mapping[str, Any], ending: str) -> Placed:
        """The provider takes a call."""
        self._refuse_doubles(order)
        call_id = uuid5(NAMESPACE_OID, f"{order['call_id']} {len(self.calls)}")
        call = Placed(call_id, order, ending, self.now, self._start + timedelta(seconds=self.now))
        call.go_on()
        self.calls.append(call)
        return call

    def place_late(self, order: Mapping[str, Any], ending: str) -> None:
        """The provider has read the POST and takes the call when nobody waits for the answer any more."""
        self._undecided.append((self.now + DECIDES_WITHIN, order, ending))

    def wait(self, seconds: float) -> None:
        """Time passes, in the order of what happens meanwhile."""
        end = self.now + seconds
        ends = [(call.at + LONGEST_LIFE, call.end) for call in self.calls if call.live]
        taken = [
            (at, lambda order=order, ending=ending: self.place(order, ending)) for at, order, ending in self._undecided
        ]
        self._undecided = [one for one in self._undecided if one[0] > end]
        for at, happen in sorted((one for one in [*ends, *taken] if one[0] <= end), key=lambda one: one[0]):
            self.now = max(self.now, at)
            happen()
        self.now = end

    def look_up(self, question: Mapping[str, Any], lags: bool) -> list[Json]:
        """What the provider answers to a question of ours: a GET by its own id, or a list by our metadata."""
        if question["ultravox_call_id"]:
            return [call.latest for call in self.calls if str(call.id) == question["ultravox_call_id"]]
        listed = [call for call in self.calls if not lags or call.at + self.lists_within <= self.now]
        return [call.latest for call in listed if call.order["call_id"] == question["call_id"]]

    def _refuse_doubles(self, order: Mapping[str, Any]) -> None:
        same_person = [call for call in self.calls if call.order["contact_id"] == order["contact_id"]]
        if any(call.live for call in self.calls if _same_number(call.order, order)):
            raise DoubleDialError(f"two live calls to one number: {self._trail(order)}")
        if any(call.ending not in RETRIED for call in same_person):
            raise DoubleDialError(f"called again after the end of all calls: {self._trail(order)}")
        if len(same_person) >= self._max_attempts[order["contact_id"]]:
            raise DoubleDialError(f"called more often than allowed: {self._trail(order)}")

    def _trail(self, order: Mapping[str, Any]) -> str:
        earlier = [
            (call.order["call_id"], call.at, call.ending) for call in self.calls if _same_number(call.order, order)
        ]
        return f"{order['call_id']} at {self.now} after {earlier}"


def _same_number(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one["agency_id"], one["to_number"]) == (other["agency_id"], other["to_number"])
