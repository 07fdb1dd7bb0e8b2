"""Lists of calls: filters, and pages with cursors that stay true while new calls come in."""

from __future__ import annotations

import asyncio
import base64
import binascii
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from local.simulator.durations import epoch, seconds
from local.simulator.refusal import Refusal, detail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.datastructures import QueryParams

    from local.simulator.call import Call
    from local.simulator.past import Past

_SCANNED_AT_ONCE = 2_000
_TOTALS_KEPT = 100
_FILTERS = {"agentIds", "cursor", "durationMax", "durationMin", "fromDate", "pageSize", "search", "sort", "toDate"}

T = TypeVar("T")


class Timeline:
    """Calls in the order of their creation, deleted ones too: part of an account's past, then calls of the present."""

    def __init__(self, past: Past, span: range, calls: Sequence[Call], deleted: Sequence[Call] = ()) -> None:
        self._past = past
        self._span = span
        self._calls = calls
        self.deleted = deleted
        """Those of them that count for nothing."""
        self.totals = past.totals

    @property
    def settled(self) -> int:
        """How many, from the first on, no longer change."""
        return len(self._span)

    def __len__(self) -> int:
        return len(self._span) + len(self._calls)

    def __getitem__(self, place: int, /) -> Call:
        past = len(self._span)
        return self._past[self._span[place]] if place < past else self._calls[place - past]

    def created(self, place: int) -> float:
        """Epoch seconds; rises strictly with the place."""
        past = len(self._span)
        return self._past.created(self._span[place]) if place < past else self._calls[place - past].created


@dataclass(frozen=True)
class Filters:
    """What a list was asked for; times in epoch seconds, both ends included."""

    since: float
    until: float
    agent_ids: tuple[str, ...]
    duration_min: float
    duration_max: float
    metadata: tuple[tuple[str, str], ...]
    search: str

    @staticmethod
    def of(query: QueryParams) -> Filters:
        """Raises Refusal 400 naming what cannot be read."""
        unread = [name for name in query if name not in _FILTERS and not name.startswith("metadata.")]
        if unread:
            raise Refusal(400, {name: ["The simulator does not know this query parameter."] for name in unread})
        return Filters(
            _read(query, "fromDate", epoch, float("-inf")),
            _read(query, "toDate", lambda text: epoch(text, end_of_day=True), float("inf")),
            tuple(query.getlist("agentIds")),
            _read(query, "durationMin", seconds, 0.0),
            _read(query, "durationMax", seconds, float("inf")),
            tuple(
                (key.removeprefix("metadata."), value) for key, value in query.items() if key.startswith("metadata.")
            ),
            query.get("search", ""),
        )

    def without_metadata(self) -> Filters:
        """As if the metadata had not been asked for."""
        return replace(self, metadata=())

    def of_agent(self, agent_id: str) -> Filters:
        """For the calls of one agent."""
        return replace(self, agent_ids=(agent_id,))

    @property
    def only_dates(self) -> bool:
        """Whether position alone decides."""
        ends = (self.duration_min, self.duration_max)
        return not (self.agent_ids or self.metadata or self.search) and ends == (0.0, float("inf"))

    def admit(self, call: Call) -> bool:
        """Whether everything but the dates fits."""
        if self.agent_ids and call.agent_id not in self.agent_ids:
            return False
        if any(call.metadata.get(key) != value for key, value in self.metadata):
            return False
        if not self.duration_min <= call.talked <= self.duration_max:
            return False
        return not self.search or any(self.search in text for text in (call.id, *call.metadata.values()))


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: after the call created at `created`, forward in the order of the list or back."""

    created: float
    back: bool

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{'r=1&' if self.back else ''}p={self.created!r}".encode()).decode()

    @staticmethod
    def of(text: str) -> Cursor:
        """Raises Refusal 404, as the real one does for a cursor that is not one of its own."""
        try:
            back, _, created = base64.urlsafe_b64decode(text).decode().rpartition("p=")
            return Cursor(float(created), back == "r=1&")
        except (ValueError, binascii.Error):
            raise detail(404, "Invalid cursor") from None


@dataclass(frozen=True)
class Page:
    """One page; `following` and `preceding` are the cursors of its neighbours."""

    calls: list[Call]
    following: Cursor | None
    preceding: Cursor | None
    total: int


async def page(
    source: Timeline,
    filters: Filters,
    admit: Callable[[Call], bool],
    cursor: Cursor | None,
    size: int,
    *,
    newest_first: bool,
) -> Page:
    """One page of the calls of `source` that fit `filters` and that `admit` admits."""
    low = bisect_left(range(len(source)), filters.since, key=source.created)
    high = bisect_right(range(len(source)), filters.until, key=source.created)

    def fits(call: Call) -> bool:
        return admit(call) and filters.admit(call)

    back = cursor is not None and cursor.back
    places = _from(source, low, high, cursor, down=newest_first != back)
    found = [call async for call in _fitting(source, places, fits, size + 1)]
    more, calls = len(found) > size, found[:size]
    if back:
        calls.reverse()
    ahead, behind = (True, more) if back else (more, cursor is not None)
    return Page(
        calls,
        Cursor(calls[-1].created, back=False) if calls and ahead else None,
        Cursor(calls[0].created, back=True) if calls and behind else None,
        await _total(source, filters, range(low, high), fits),
    )


async def _total(source: Timeline, filters: Filters, places: range, fits: Callable[[Call], bool]) -> int:
    if filters.only_dates:
        return len(places) - sum(filters.since <= call.created <= filters.until for call in source.deleted)
    middle = max(places.start, min(places.stop, source.settled))
    past = range(places.start, middle)
    settled = source.totals.get(filters) if past else 0
    if settled is None:
        settled = await _count(source, past, fits)
        if len(source.totals) < _TOTALS_KEPT:
            source.totals[filters] = settled
    return settled + await _count(source, range(middle, places.stop), fits)


def _from(source: Timeline, low: int, high: int, cursor: Cursor | None, *, down: bool) -> range:
    if cursor is None:
        return range(high - 1, low - 1, -1) if down else range(low, high)
    if down:
        return range(min(high, bisect_left(range(len(source)), cursor.created, key=source.created)) - 1, low - 1, -1)
    return range(max(low, bisect_right(range(len(source)), cursor.created, key=source.created)), high)


async def _count(source: Timeline, places: range, fits: Callable[[Call], bool]) -> int:
    return sum([1 async for _ in _fitting(source, places, fits, len(places))])


async def _fitting(source: Timeline, places: range, fits: Callable[[Call], bool], most: int) -> AsyncIterator[Call]:
    found = 0
    for seen, place in enumerate(places, 1):
        if found == most:
            return
        if fits(call := source[place]):
            found += 1
            yield call
        if not seen % _SCANNED_AT_ONCE:
            # A scan of a long past must not hold up the calls of the present.
            await asyncio.sleep(0)


def _read(query: QueryParams, name: str, read: Callable[[str], T], default: T) -> T:
    text = query.get(name)
    if text is None:
        return default
    try:
        return read(text)
    except ValueError:
        raise Refusal(400, {name: ["Enter a valid value."]}) from None
