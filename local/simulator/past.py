"""Calls that ended long ago: any number of them, each made from the seed when it is looked at, none kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.simulator.call import Call, Settings
from local.simulator.chance import Ids, chances, many_chances
from local.simulator.config import People
from local.simulator.people import course, person

if TYPE_CHECKING:
    from local.simulator.accounts import Account
    from local.simulator.config import PastConfig
    from local.simulator.listing import Filters
    from local.simulator.people import Course

_AREAS = ("202", "213", "305", "312", "404", "415", "503", "602", "617", "702", "713", "808")
_SETTINGS: Settings = {
    "medium": {"twilio": {"outgoing": {"from": "+12135550100"}}},
    "joinTimeout": "30s",
    "maxDuration": "600s",
}
_PEOPLE = People()
_BATCH = 500
_EARLY = 1748390400.0  # 2025-05-28: until then calls had fewer fields and could stay "pending" for ever


class Past:
    """A sequence of ended calls, oldest first. Creation times rise strictly with the index."""

    def __init__(self, config: PastConfig, account: Account, seed: int) -> None:
        self._config = config
        self._account = account
        self._key = f"{seed} {account.id}"
        self._begin = config.begin.timestamp()
        self._step = (config.end.timestamp() - self._begin) / max(1, config.count)
        self._ids = Ids(self._key, "call")
        self._call_ids = Ids(self._key, "metadata.call_id")
        self._batch_ids = Ids(self._key, "metadata.batch_id")
        self._agents = [None, *account.agents.values()]
        self._deleted: dict[int, float] = {}
        self.totals: dict[Filters, int] = {}
        """How many of these calls fit a filter, as far as it was ever counted."""

    def __len__(self) -> int:
        return self._config.count

    def created(self, index: int) -> float:
        """Epoch seconds."""
        return self._created(index, many_chances(self._key, index)[0])

    def __getitem__(self, index: int) -> Call:
        when, agent, area, line, *behaviour = many_chances(self._key, index)
        number = f"+1{_AREAS[int(area * len(_AREAS))]}55501{int(line * 100):02}"
        call = Call(
            -1 - index,
            self._ids.encode(index),
            self._account,
            self._agents[int(agent * len(self._agents))],
            number,
            self._metadata(index, number),
            _SETTINGS,
            self._created(index, when),
        )
        self._live(call, course(person(behaviour, _PEOPLE), 30, 600, _PEOPLE))
        call.deleted = self._deleted.get(index)
        return call

    def find(self, call_id: str) -> Call | None:
        """The call with this id."""
        index = self._ids.decode(call_id)
        return None if index is None or index >= len(self) else self[index]

    def span(self, metadata: dict[str, str]) -> range:
        """The indexes outside of which no call has this metadata."""
        span = range(len(self))
        for key, value in metadata.items():
            span = _common(span, self._having(key, value))
        return span

    def delete(self, call: Call) -> None:
        """Remembers that it was deleted, at `call.deleted`."""
        if call.deleted is not None:
            self._deleted[-1 - call.index] = call.deleted
            self.totals.clear()

    def malformed(self, call: Call) -> bool:
        """Whether it is served broken."""
        rate = self._config.malformed_rate
        return rate > 0 and chances(self._key, "malformed", call.index)[0] < rate

    def _created(self, index: int, chance: float) -> float:
        return round(self._begin + (index + chance * 0.9) * self._step, 6)

    def _metadata(self, index: int, number: str) -> dict[str, str]:
        # Some have none, some that of other programs, some look like ours but belong to nobody.
        kind = index % 4
        if kind == 0:
            return {}
        if kind == 1:
            return {"source": "console"}
        ids = {"call_id": self._call_ids.encode(index), "batch_id": self._batch_ids.encode(index // _BATCH)}
        return ids if kind == 2 else {**ids, "to_number": number}

    def _having(self, key: str, value: str) -> range:
        if key in ("source", "to_number"):
            return range(len(self))
        ids, size = {"call_id": (self._call_ids, 1), "batch_id": (self._batch_ids, _BATCH)}.get(key, (None, 0))
        index = ids.decode(value) if ids else None
        return range(0) if index is None else range(index * size, (index + 1) * size)

    def _live(self, call: Call, way: Course) -> None:
        call.joined = None if way.joined_after is None else round(call.created + way.joined_after, 6)
        call.ended = round(call.created + way.ended_after, 6)
        call.end_reason, call.outcome = way.end_reason, way.outcome
        call.billed = None if early(call) else call.ended + 1


def early(call: Call) -> bool:
    """Whether it is of the time when calls had fewer fields."""
    return call.created < _EARLY


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), max(0, min(one.stop, other.stop)))
