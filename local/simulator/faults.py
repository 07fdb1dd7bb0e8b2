"""Misbehaviour on request: rules that say which requests go wrong, and how."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat

from local.simulator.chance import chances
from local.simulator.config import Model, Rate

Path = Literal["create", "lookup", "get", "deleted", "agent", "account", "messages", "data_message", "other"]
Action = Literal[
    "accept_then_drop",
    "accept_then_500",
    "slow_201",
    "late_accept",
    "malformed_body",
    "drop_before_accept",
    "refuse",
    "lookup_outage",
    "lookup_ignores_filter",
    "lookup_lags",
]


class Match(Model):
    """Which requests; None matches all. `call_id` is `metadata.call_id`, or the call's own id in the path."""

    account: str | None = None
    to: str | None = None
    call_id: str | None = None
    path: Path | Literal["any"] | None = None
    rate: Rate = 1.0
    times: int | None = Field(default=None, ge=1)


class Fault(Model):
    """`delay_seconds` is the wait of slow_201 (call first, answer later), of late_accept (the other way round) and of a
    refusal, and the lag of lookup_lags."""

    match: Match = Match()
    action: Action
    delay_seconds: NonNegativeFloat = 0.0
    status: int = Field(default=503, ge=100, le=599)
    body: Any = None
    headers: dict[str, str] = Field(default={})

    @property
    def paths(self) -> tuple[str, ...]:
        """The kinds of request it concerns."""
        if self.match.path is not None:
            return (self.match.path,)
        return ("lookup", "deleted") if self.action.startswith("lookup") else ("create",)


class Rule:
    """A fault in force, and how often it has struck."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.id = number
        self.fault = fault
        self.seen = 0
        self.hits = 0

    def strikes(self, seed: int, account: str, path: Path, to: str | None, call_ids: tuple[str | None, ...]) -> bool:
        """Whether this request goes wrong; which share of them does is drawn from the seed."""
        match = self.fault.match
        if match.account not in (None, account) or not {path, "any"} & set(self.fault.paths):
            return False
        if match.to not in (None, to) or (match.call_id is not None and match.call_id not in call_ids):
            return False
        if match.times is not None and self.hits >= match.times:
            return False
        self.seen += 1
        struck = chances(seed, "fault", self.id, self.seen)[0] < match.rate
        self.hits += struck
        return struck

    def json(self) -> dict[str, Any]:
        """As `/simulator/faults` shows it."""
        return {"id": self.id, "hits": self.hits, **self.fault.model_dump(mode="json")}


class Faults:
    """The rules in force; the first that strikes wins."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._added = 0

    def add(self, fault: Fault) -> Rule:
        """Puts a fault in force."""
        self._added += 1
        rule = Rule(self._added, fault)
        self.rules.append(rule)
        return rule

    def remove(self, number: int) -> None:
        """Ends one; nothing happens where it has ended."""
        self.rules = [rule for rule in self.rules if rule.id != number]

    def clear(self) -> None:
        """All is well again."""
        self.rules.clear()

    def strike(self, seed: int, account: str, path: Path, to: str | None, *call_ids: str | None) -> Fault | None:
        """What goes wrong with this request, if anything."""
        return next((rule.fault for rule in self.rules if rule.strikes(seed, account, path, to, call_ids)), None)
