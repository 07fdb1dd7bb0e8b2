"""Two agencies, their batches, the processes that dial and the provider: what the steps of a state machine act upon."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg

from tests.chaos.sql.process import Process
from tests.chaos.sql.provider import Placed, Provider
from tests.factories import forbid_number
from tests.sql.checks import assert_sound, query
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from tests.factories import Connection

FINAL_CONTACTS = ("completed", "failed", "skipped")
STATES = ("claimed", "dialing", "unknown", "ringing", "answered", "ended")
LATE_KNOWLEDGE = ("ringing", "answered", "ended", "unknown")

STATUSES = """
select id::text, 'call ' || status from public.calls
union all
select id::text, 'contact ' || status from public.campaign_contacts
"""
MAY_BEGIN = """
select call.id::text
from public.calls as call
join public.call_batches as batch on batch.id = call.batch_id
where call.status = 'dialing'
  or (call.status = 'claimed' and batch.status = 'processing' and not exists (
    select from public.do_not_call as listed
    where listed.agency_id = call.agency_id and listed.phone_number = call.to_number
  ))
"""
OVER_THEIR_LIMIT = """
select batch.id, count(*)
from public.call_batches as batch
join public.calls as call on call.batch_id = batch.id and call.is_live
group by batch.id
having count(*) > batch.max_concurrent
union all
select agency.id, count(*)
from public.agencies as agency
join public.calls as call on call.agency_id = agency.id and call.is_live
group by agency.id
having count(*) > agency.max_concurrent_calls
"""


IN_ORDER = "select phone_number from public.campaign_contacts where batch_id = %s order by position"
APPENDED_TO_WHAT_WAS_OVER = """
select appended.batch_id
from public.call_events as appended
join public.call_events as over using (batch_id)
where appended.event = 'appended' and over.event in ('completed', 'failed', 'cancelled') and over.contact_id is null
  and over.id < appended.id
"""


@dataclass(frozen=True)
class Request:
    """Somebody asks calls-batch-append for more people, under one key however often."""

    world: World
    batch_id: UUID
    numbers: Sequence[str]
    key: str

    def send(self) -> dict[str, Any] | None:
        """The answer; None where the batch is over."""
        try:
            return self.world.append(self.batch_id, self.numbers, p_once={"key": self.key, "fingerprint": self.key})
        except psycopg.Error as refusal:
            if refusal.sqlstate != "PT400":
                raise
            return None


class Scene:
    """Everything is chosen by number among what is there, modulo how much there is."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.worlds = [World(connection, max_concurrent_calls=5), World(connection)]
        self.numbers = self.worlds[0].numbers(7)
        self.batches: list[tuple[World, UUID]] = []
        self._listed: dict[UUID, list[str]] = {}
        self._unanswered: list[Request] = []
        self.max_attempts: dict[str, int] = {}
        self.provider = Provider(query(connection, "select batchline.clock()")[0][0], self.max_attempts)
        self.jumped_back = 0.0
        self._names = (f"process {n}" for n in count())
        self._keys = count()
        self.processes = [Process(next(self._names)), Process(next(self._names))]
        self._statuses: dict[str, str] = {}

    # --- who is meant

    def world(self, n: int) -> World:
        return self.worlds[n % 3 // 2]  # the first, with less room, twice as often

    def awake(self, n: int) -> Process:
        awake = [process for process in self.processes if not process.frozen]
        return awake[n % len(awake)]

    def frozen(self, n: int) -> Process | None:
        frozen = [process for process in self.processes if process.frozen]
        return frozen[n % len(frozen)] if frozen else None

    def placed(self, n: int) -> Placed | None:
        """The latest call first."""
        return self.provider.calls[-1 - n % len(self.provider.calls)] if self.provider.calls else None

    def calls_in(self, *statuses: str) -> set[str]:
        found = query(self.connection, "select id::text from public.calls where status = any (%s)", list(statuses))
        return {row[0] for row in found}

    # --- users

    def create(
        self, world: World, *, first: int, count: int, attempts: int, at_once: int, delay: int, later: int
    ) -> None:
        batch_id = world.create(
            [self.numbers[(first + i) % len(self.numbers)] for i in range(count)],
            max_concurrent=at_once,
            retry={"max_attempts": attempts, "delay_minutes": delay, "growth": 1},
            scheduled_for=world.time(later) if later else None,
        )
        self.batches.append((world, batch_id))
        self._listed[batch_id] = [row["phone_number"] for row in world.contacts(batch_id)]
        self.max_attempts |= {row["id"]: attempts for row in world.contacts(batch_id)}

    def append(self, n: int, first: int, count: int, answer_lost: bool) -> None:
        """More people for a batch; some of them it may have already."""
        world, batch_id = self.batches[n % len(self.batches)]
        numbers = [self.numbers[(first + i) % len(self.numbers)] for i in range(count)]
        request = Request(world, batch_id, numbers, f"request {next(self._keys)}")
        if (answer := request.send()) is None:
            return
        self._listed[batch_id] += [number for number in numbers if number not in self._listed[batch_id]]
        rows = world.contacts(batch_id)
        assert answer["total_contacts"] == len(rows)
        self.max_attempts |= {row["id"]: row["max_attempts"] for row in rows}
        if answer_lost:
            self._unanswered.append(request)

    def append_again(self) -> None:
        """The first answer comes again, whatever has become of the batch; nobody is added."""
        if self._unanswered:
            answer = self._unanswered.pop().send()
            assert answer
            assert answer["replayed"]

    def use(self, verb: str, n: int) -> None:
        """pause, resume or cancel, where the batch is in a state for it."""
        world, batch_id = self.batches[n % len(self.batches)]
        try:
            getattr(world, verb)(batch_id)
        except psycopg.Error as refusal:
            if refusal.sqlstate != "PT400":
                raise

    def forbid(self, world: World, n: int) -> None:
        """One number goes on one list; with more of them soon nobody would be left."""
        if not query(self.connection, "select from public.do_not_call"):
            forbid_number(self.connection, world.agency.id, self.numbers[n % len(self.numbers)])

    # --- processes

    def claim(self, process: Process, world: World, limit: int, answer_lost: bool = False) -> None:
        if process.claim(world, limit, answer_lost):
            assert query(self.connection, OVER_THEIR_LIMIT) == []

    def begin(self, process: Process, answer_lost: bool = False) -> None:
        """Whatever a user has forbidden before does not begin."""
        if process.claimed or process.beginning:
            may_begin = {row[0] for row in query(self.connection, MAY_BEGIN)}
            assert set(process.begin(self.worlds[0], self.provider.now, answer_lost)) <= may_begin

    def send(self, process: Process, fates: Sequence[str], ending: str) -> None:
        for fate in fates[: len(process.posts)]:
            process.send(self.provider, fate, ending)

    def settle(self, process: Process, count: int | None = None, answer_lost: bool = False) -> None:
        process.settle(self.worlds[0], len(process.results) if count is None else count, answer_lost)

    def freeze(self, process: Process) -> None:
        """Whatever it holds it holds; another one takes its place."""
        process.frozen = True
        self.processes.append(Process(next(self._names)))

    def bury(self, process: Process) -> None:
        """It is dead, and what it held forgotten; another one takes its place."""
        self.processes[self.processes.index(process)] = Process(next(self._names))

    # --- the provider, and time

    def go_on(self, calls: int, events: int, told: bool) -> None:
        """The oldest live calls come to their next events."""
        for call in [call for call in self.provider.calls if call.live][:calls]:
            for _ in range(events):
                call.go_on()
                if told:
                    self.tell(call, list(call.said)[-1])

    def tell(self, call: Placed, word: str) -> None:
        """A webhook."""
        self.worlds[0].verb(
            "ingest_event", p_agency_id=call.order["agency_id"], p_event=f"call.{word}", p_call=call.said[word]
        )

    def wait(self, seconds: float) -> None:
        self.provider.wait(seconds)
        self.worlds[0].move_clock(seconds)

    def jump(self, seconds: float) -> None:
        """The database's clock is set; for nobody else has any time passed."""
        self.jumped_back += max(0, -seconds)
        self.worlds[0].move_clock(seconds)

    # --- what must always hold

    def check(self) -> None:
        """The books agree, and nothing goes backwards. That nobody is called twice the provider sees for itself."""
        assert_sound(self.connection)
        for batch_id, numbers in self._listed.items():
            assert [row[0] for row in query(self.connection, IN_ORDER, batch_id)] == numbers
        assert query(self.connection, APPENDED_TO_WHAT_WAS_OVER) == []
        statuses: dict[str, str] = dict(query(self.connection, STATUSES))
        for row_id, before in self._statuses.items():
            after = statuses[row_id]
            assert before == after or _may_follow(before, after), (row_id, before, after)
        self._statuses = statuses


def _may_follow(before: str, after: str) -> bool:
    (kind, old), new = before.split(), after.split()[1]
    if kind == "contact":
        return old not in FINAL_CONTACTS or (old != "completed" and new == "in_progress")  # with a call that is doubted
    if old == "not_placed":
        return new in LATE_KNOWLEDGE
    if new == "not_placed":
        return old in ("claimed", "dialing", "unknown")
    return STATES.index(old) < STATES.index(new)
