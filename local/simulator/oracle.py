"""What the provider was really asked to do, counted as it happens: tests and benchmarks trust this, not our counters.

All windows and lives are half-open: [accepted, ended) and [t, t + seconds). A call ends before another that is accepted
at the same instant begins."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Fate = Literal["delivered", "failed", "lost", "duplicated", "retried"]
_EXAMPLES = 20


class Start(NamedTuple):
    """One accepted call: `order` numbers all of them from 0, `at` is monotonic and `wall` epoch seconds."""

    order: int
    account: str
    to: str | None
    batch_id: str | None
    contact_id: str | None
    call_id: str | None
    at: float
    wall: float


class Busiest:
    """The most events in any window of `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self._seconds = seconds
        self._times: deque[float] = deque()

    def add(self, at: float) -> None:
        """One event; times must not fall."""
        times = self._times
        times.append(at)
        while at - times[0] >= self._seconds:
            times.popleft()
        self.most = max(self.most, len(times))


class Tally:
    """The counts of one scope: everything, an account, or a batch."""

    def __init__(self) -> None:
        self.accepted = 0
        self.live = 0
        self.most_concurrent = 0
        self.double_dials = 0
        self.most_calls_per_number = 0
        self.most_calls_per_contact = 0
        self.most_calls_per_call_id = 0
        self.in_minute = Busiest(60)
        self.in_second = Busiest(1)
        self.first_accepted_at: float | None = None
        self.last_accepted_at: float | None = None
        self.refused: Counter[int] = Counter()
        self.webhooks: Counter[str] = Counter()
        self.overlapping: list[dict[str, Any]] = []

    def start(self, start: Start) -> None:
        """Counts one accepted call."""
        self.accepted += 1
        self.live += 1
        self.most_concurrent = max(self.most_concurrent, self.live)
        self.in_minute.add(start.at)
        self.in_second.add(start.at)
        self.last_accepted_at = start.wall
        if self.first_accepted_at is None:
            self.first_accepted_at = start.wall

    def repeat(self, number: int, contact: int, call_id: int) -> None:
        """Notes how often the number, the contact and the call id of a call have now been seen."""
        self.most_calls_per_number = max(self.most_calls_per_number, number)
        self.most_calls_per_contact = max(self.most_calls_per_contact, contact)
        self.most_calls_per_call_id = max(self.most_calls_per_call_id, call_id)

    def double(self, example: dict[str, Any]) -> None:
        """Counts a call that should never have been."""
        self.double_dials += 1
        if len(self.overlapping) < _EXAMPLES:
            self.overlapping.append(example)

    def json(self) -> dict[str, Any]:
        """As `/simulator/stats` shows it."""
        hooks = self.webhooks
        return {
            "accepted": self.accepted,
            "refused": {str(status): count for status, count in sorted(self.refused.items())},
            "live": self.live,
            "double_dials": self.double_dials,
            "most_calls_per_number": self.most_calls_per_number,
            "most_calls_per_contact": self.most_calls_per_contact,
            "most_calls_per_call_id": self.most_calls_per_call_id,
            "most_concurrent": self.most_concurrent,
            "most_starts_60s": self.in_minute.most,
            "most_starts_1s": self.in_second.most,
            "first_accepted_at": self.first_accepted_at,
            "last_accepted_at": self.last_accepted_at,
            "webhooks": {
                name: hooks[name] for name in ("delivered", "failed", "pending", "lost", "duplicated", "retried")
            },
            "overlapping": self.overlapping,
        }


class _Known:
    """What one account was seen to call. Counts of one are the rule, so `seen` holds plain ints."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.live: dict[str, list[int]] = {}
        self.call_ids: dict[str, int] = {}
        self.repeated: dict[str, list[int]] = {}


class _Batch(Tally):
    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, int] = {}
        self.contacts: dict[str, int] = {}


class Oracle:
    """Fed by the provider with every acceptance, end and refusal."""

    def __init__(self) -> None:
        self._all = Tally()
        self._accounts: dict[str, Tally] = {}
        self._known: dict[str, _Known] = {}
        self._batches: dict[tuple[str, str], _Batch] = {}

    def accepted(self, start: Start) -> int:
        """Counts a call; answers the how-manieth call to its number this is for the account (from 1)."""
        known = self._known.setdefault(start.account, _Known())
        batch = self._batch(start.account, start.batch_id)
        nth = _count(known.numbers, start.to)
        in_batch = nth if batch is None else _count(batch.numbers, start.to)
        contact = 0 if batch is None else _count(batch.contacts, start.contact_id)
        of_call_id = self._note_call_id(known, start)
        earlier = known.live.setdefault(start.to, []) if start.to else []
        for tally in self._scopes(start.account, start.batch_id):
            tally.start(start)
            tally.repeat(in_batch if tally is batch else nth, contact, of_call_id)
            if earlier or of_call_id > 1:
                tally.double(_example(start, earlier, of_call_id))
        earlier.append(start.order)
        return nth

    def ended(self, index: int, account: str, to: str | None, batch_id: str | None) -> None:
        """Counts the end of a call that was accepted under this index."""
        for tally in self._scopes(account, batch_id):
            tally.live -= 1
        if to is not None:
            live = self._known[account].live
            live[to].remove(index)
            if not live[to]:
                del live[to]

    def refused(self, status: int, account: str | None, batch_id: str | None) -> None:
        """Counts a creation that was refused; None where that is not known."""
        for tally in self._scopes(account, batch_id):
            tally.refused[status] += 1

    def delivery(self, fate: Fate, account: str, batch_id: str | None, pending: int = 0) -> None:
        """Counts what became of a webhook delivery; `pending` changes how many are under way."""
        for tally in self._scopes(account, batch_id):
            tally.webhooks[fate] += 1
            tally.webhooks["pending"] += pending

    def pending(self, account: str, batch_id: str | None) -> None:
        """Counts a webhook delivery that has begun."""
        for tally in self._scopes(account, batch_id):
            tally.webhooks["pending"] += 1

    def with_call_id(self, account: str, call_id: str) -> list[int]:
        """The indexes of the account's calls with this `metadata.call_id`, oldest first."""
        known = self._known.get(account)
        if known is None or call_id not in known.call_ids:
            return []
        return known.repeated.get(call_id) or [known.call_ids[call_id]]

    def stats(self, account: str | None, batch_id: str | None) -> dict[str, Any]:
        """The counts of a batch, of an account, or of everything."""
        if batch_id is not None:
            of_batch = (
                tally for key, tally in self._batches.items() if key[1] == batch_id and account in (None, key[0])
            )
            return next(of_batch, Tally()).json()
        return (self._all if account is None else self._accounts.get(account, Tally())).json()

    def _note_call_id(self, known: _Known, start: Start) -> int:
        call_id = start.call_id
        if call_id is None:
            return 0
        first = known.call_ids.setdefault(call_id, start.order)
        if first == start.order:
            return 1
        repeated = known.repeated.setdefault(call_id, [first])
        repeated.append(start.order)
        return len(repeated)

    def _batch(self, account: str, batch_id: str | None) -> _Batch | None:
        return None if batch_id is None else self._batches.setdefault((account, batch_id), _Batch())

    def _scopes(self, account: str | None, batch_id: str | None) -> Iterable[Tally]:
        yield self._all
        if account is not None:
            yield self._accounts.setdefault(account, Tally())
            if batch_id is not None:
                yield self._batches.setdefault((account, batch_id), _Batch())


def most_in_any(times: Sequence[float], seconds: float) -> int:
    """The most of these times (in any order) within any half-open window of so many seconds."""
    ordered = sorted(times)
    return max((bisect_left(ordered, first + seconds) - place for place, first in enumerate(ordered)), default=0)


def _count(counts: dict[str, int], key: str | None) -> int:
    if key is None:
        return 1
    count = counts.get(key, 0) + 1
    counts[key] = count
    return count


def _example(start: Start, earlier: list[int], of_call_id: int) -> dict[str, Any]:
    return {**start._asdict(), "live_earlier_calls": list(earlier), "calls_with_this_call_id": of_call_id}
