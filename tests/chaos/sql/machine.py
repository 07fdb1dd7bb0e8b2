"""The dialler as a state machine: the real schema, processes that crash and freeze, and a provider that keeps its own books.

No rule draws from what the database holds, so that a seed gives the same run each time: numbers choose among what is
there, and a rule that finds nothing to do does nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.chaos.sql.process import ANSWERS, DIAL_BY, Process
from tests.chaos.sql.provider import ENDINGS, LISTS_LATE, LISTS_SOON, Placed, Provider
from tests.factories import forbid_number
from tests.sql.checks import assert_sound, query
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import Connection

    Json = dict[str, Any]

FINAL = ("completed", "failed", "skipped")
STATES = ("claimed", "dialing", "unknown", "ringing", "answered", "ended")
LATE_KNOWLEDGE = ("ringing", "answered", "ended")
LEASE, ASK_AFTER, ASK_AGAIN, SILENCE = 60, 60, 120, 600
ROUND = 15  # seconds between two reconciliations of the good worker that comes in the end

A_FEW = st.integers(0, 23)
COUNT = st.integers(1, 4)
RARELY = st.sampled_from((False, False, False, True))
UNCERTAIN = ("placed, answer lost", "placed late", "lost on its way")
FATES = st.sampled_from((*["placed"] * 9, *UNCERTAIN, *UNCERTAIN, *ANSWERS))
OUTCOMES = st.sampled_from((*ENDINGS, "answered", "no_answer"))
HOW = st.sampled_from(("tells", "lags", "lags", "fails"))
TURN = {
    "process": A_FEW,
    "agency": A_FEW,
    "fates": st.lists(FATES, min_size=2, max_size=4),
    "ending": OUTCOMES,
    "stops": st.sampled_from(("claimed", "begun", "sent", "settled", "settled", "settled")),
}
ROUNDS = {"process": A_FEW, "agency": A_FEW, "how": HOW, "sweeps": st.booleans(), "records": st.booleans()}
EVENTS = {"calls": COUNT, "events": st.sampled_from((1, 2, 4, 4)), "told": st.sampled_from((True, True, False))}
# Among them what ends a dial_by (10), a lease (60), the two questions (60, 120), the silence (600).
PASSING = st.sampled_from((1, 5, 9, 11, 31, 61, 61, 121, 121, 700))
# Hypothesis leaves out half of the rules in each run. What must go on for anything else to matter goes on before each.
MEANWHILE = st.one_of(
    st.none(),
    st.tuples(st.just("turn"), st.fixed_dictionaries(TURN)),
    st.tuples(st.just("go_on"), st.fixed_dictionaries(EVENTS)),
    st.tuples(st.just("reconcile"), st.fixed_dictionaries(ROUNDS)),
    st.tuples(st.just("wait"), st.fixed_dictionaries({"seconds": PASSING})),
)


@dataclass
class Timing:
    """How long the ending took, in real seconds, and what was promised."""

    known: float
    known_within: float
    ended: float
    ended_within: float


def step(**draws: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule after which everything must hold that must always hold."""

    def decorate(function: Callable[..., None]) -> Any:
        @wraps(function)
        def run(self: Campaigns, meanwhile: tuple[str, Json] | None, **drawn: Any) -> None:
            self.whole = False
            self.go_on_living(meanwhile)
            function(self, **drawn)
            self.check()
            self.whole = True

        return rule(meanwhile=MEANWHILE, **draws)(run)

    return decorate


class Campaigns(RuleBasedStateMachine):
    """Two agencies, a few numbers in several batches of each, and any number of processes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        connection.rollback()
        query(connection, "select setval('public.steady_ids', 1)")
        self.worlds = [World(connection, max_concurrent_calls=5), World(connection)]
        self.names = self.worlds[0].numbers(7)
        self.max_attempts: dict[str, int] = {}
        self.provider = Provider(query(connection, "select batchline.clock()")[0][0], self.max_attempts)
        self.batches: list[tuple[World, UUID]] = []
        self.processes: list[Process] = []
        self.was: dict[str, str] = {}
        self.jumped_at = float("-inf")
        self.jumped_back = 0.0
        self.whole = True
        self._fork()
        self._fork()

    # --- rules: users

    @initialize(steady_clock=st.booleans())
    def begin_with_two(self, steady_clock: bool) -> None:
        """Two batches have the same people. Where no clock jumps, look-ups may lag up to the second question."""
        self.steady_clock = steady_clock
        self.provider.lists_within = LISTS_LATE if steady_clock else LISTS_SOON
        for _ in range(2):
            self._create(self.worlds[0], first=0, count=5, attempts=3, at_once=3, delay=0, later=0)

    @step(
        agency=A_FEW, first=A_FEW, count=COUNT, attempts=st.integers(1, 3), at_once=st.integers(1, 4),
        delay=st.integers(0, 1), later=st.sampled_from((0, 0, 0, 80)),
    )  # fmt: skip
    def create(self, agency: int, **batch: int) -> None:
        if len(self.batches) < 6:
            self._create(self._world(agency), **batch)

    @step(verb=st.sampled_from(("pause", "resume", "resume", "resume", "cancel")), batch=A_FEW)
    def use(self, verb: str, batch: int) -> None:
        """A user pauses, resumes or cancels, if the batch is in a state for it."""
        self._user(verb, batch)

    @step(agency=A_FEW, number=A_FEW)
    def forbid(self, agency: int, number: int) -> None:
        """One number comes on the do-not-call list of one agency."""
        if number % 3 == 0 and not query(self.connection, "select from public.do_not_call"):
            forbid_number(self.connection, self._world(agency).agency.id, self.names[number % len(self.names)])

    # --- rules: processes

    @step(process=A_FEW, agency=A_FEW, limit=COUNT, answer_lost=RARELY)
    def claim(self, process: int, agency: int, limit: int, answer_lost: bool) -> None:
        self._claim(self._awake(process), self._world(agency), limit, answer_lost)

    @step(process=A_FEW, answer_lost=RARELY)
    def begin(self, process: int, answer_lost: bool) -> None:
        self._begin(self._awake(process), answer_lost)

    @step(process=A_FEW, fates=st.lists(FATES, min_size=1, max_size=4), ending=OUTCOMES)
    def send(self, process: int, fates: list[str], ending: str) -> None:
        self._send(self._awake(process), fates, ending)

    @step(process=A_FEW, count=COUNT, answer_lost=RARELY)
    def settle(self, process: int, count: int, answer_lost: bool) -> None:
        self._awake(process).settle(self.worlds[0], count, answer_lost)

    @step(process=A_FEW, fates=st.lists(FATES, max_size=3), ending=OUTCOMES)
    def crash(self, process: int, fates: list[str], ending: str) -> None:
        """Some of its POSTs may just have left; nobody will ever hear what came of them."""
        worker = self.processes[process % len(self.processes)]
        self._send(worker, fates, ending)
        self._bury(worker)

    @step(process=A_FEW)
    def freeze(self, process: int) -> None:
        """Whatever it holds it holds; another process takes its place."""
        self._awake(process).frozen = True
        self._fork()

    @step(process=A_FEW, fates=st.lists(FATES, max_size=4), ending=OUTCOMES)
    def wake(self, process: int, fates: list[str], ending: str) -> None:
        """It goes on where it stood, however late."""
        frozen = [worker for worker in self.processes if worker.frozen]
        if frozen:
            worker = frozen[process % len(frozen)]
            worker.frozen = False
            worker.record()
            self._begin(worker, False)
            self._send(worker, fates, ending)

    @step(**ROUNDS)
    def reconcile(self, **drawn: Any) -> None:
        """Sweep and ask; the answers may be written at once or at some other time."""
        self._one_round(**drawn)

    @step(process=A_FEW)
    def record(self, process: int) -> None:
        self._awake(process).record()

    # --- rules: the provider

    @step(**EVENTS)
    def go_on(self, **drawn: Any) -> None:
        """Calls come to their next events; the webhooks come at once, or some other time, or never."""
        self._go_on(**drawn)

    @step(call=A_FEW, event=A_FEW)
    def webhook(self, call: int, event: int) -> None:
        """Any event that has happened: late, repeated, before older ones, before the POST's own answer."""
        if placed := self._placed(call):
            words = list(placed.said)
            self._tell(placed, words[event % len(words)])

    # --- rules: time

    @step(seconds=PASSING)
    def wait(self, seconds: int) -> None:
        self._wait(seconds)

    @step(seconds=st.sampled_from((-3600, -700, -65, 65, 700, 3600)))
    def jump(self, seconds: int) -> None:
        """The database's clock is set. Forwards it may cut short one of lease, first and second question, not all:
        the next time is when what was in flight is known.
        """
        if self.steady_clock or seconds > 0 and self.provider.now - self.jumped_at < LEASE + ASK_AFTER + ASK_AGAIN:
            return
        if seconds > 0:
            self.jumped_at = self.provider.now
        else:
            self.jumped_back -= seconds
        self.worlds[0].move_clock(seconds)

    def go_on_living(self, meanwhile: tuple[str, Json] | None) -> None:
        """A turn of a process, calls that come to their end, or time."""
        match meanwhile:
            case ("turn", drawn):
                self._turn(**drawn)
            case ("go_on", drawn):
                self._go_on(**drawn)
            case ("reconcile", drawn):
                self._one_round(**drawn)
            case ("wait", drawn):
                self._wait(**drawn)
            case _:
                pass

    # --- what must hold

    def check(self) -> None:
        """After every step. That nobody is called twice the provider says itself, at the POST that does it."""
        assert_sound(self.connection)
        is_now = self._states()
        for row_id, status in self.was.items():
            assert _may_follow(status, is_now[row_id]), (row_id, status, is_now[row_id])
        self.was = is_now

    def teardown(self) -> None:
        if self.whole:  # what is broken already has been said
            self.come_to_an_end()
        self.connection.rollback()

    def come_to_an_end(self) -> Timing:
        """All processes are dead, all webhooks are lost; a worker, a provider and a user come who behave."""
        for worker in list(self.processes):
            self._bury(worker)
        start, slack = self.provider.now, 3 * ROUND + self.jumped_back
        open_calls = self._calls_in("claimed", "dialing", "unknown")
        self._reconcile_until(lambda: not open_calls & self._calls_in("claimed", "dialing", "unknown"))
        known = self.provider.now
        for call in self.provider.calls:
            call.end()
        live = self._calls_in("ringing", "answered")
        self._reconcile_until(lambda: not live & self._calls_in("ringing", "answered"))
        timing = Timing(
            known - start, LEASE + ASK_AFTER + ASK_AGAIN + slack,
            self.provider.now - known, SILENCE + ASK_AGAIN + slack,
        )  # fmt: skip
        assert timing.known <= timing.known_within, asdict(timing)
        assert timing.ended <= timing.ended_within, asdict(timing)
        self._dial_the_rest()
        self._check_the_end()
        return timing

    def _dial_the_rest(self) -> None:
        worker = self.processes[0]
        for _ in range(80 + round(self.jumped_back / 130)):
            if not query(self.connection, "select from public.call_batches where status <> all (%s)", list(CLOSED)):
                return
            for index in range(len(self.batches)):
                self._user("resume", index)
            for world in self.worlds:
                self._claim(worker, world, 100, False)
            self._begin(worker, False)
            self._send(worker, ["placed"] * len(worker.posts), "answered")
            worker.settle(self.worlds[0], len(worker.results), False)
            for call in self.provider.calls:
                if call.live:
                    call.end()
                    self._tell(call, "ended")
            self._reconcile()
            self._wait(130)
            self.check()
        raise AssertionError(["left open", query(self.connection, "select status, error_message from public.call_batches")])

    def _check_the_end(self) -> None:
        left = "select id, status, reason from public.campaign_contacts where status <> all (%s) or reason is null"
        assert query(self.connection, left, list(FINAL)) == []
        assert query(self.connection, "select id, status from public.calls where is_live") == []
        assert query(self.connection, "select id from public.calls where outcome = 'unknown'") == []
        assert query(self.connection, "select call_id from public.call_events where event = 'late_acceptance'") == []
        # What the provider placed is exactly what we know of, with its ending.
        ended = "select id::text, ultravox_call_id, outcome from public.calls where status = 'ended'"
        assert sorted(query(self.connection, ended)) == sorted(
            (call.order["call_id"], call.id, call.ending) for call in self.provider.calls
        )
        answered = "select id::text from public.campaign_contacts where status = 'completed'"
        assert {row[0] for row in query(self.connection, answered)} == {
            call.order["contact_id"] for call in self.provider.calls if call.ending == "answered"
        }

    # --- how

    def _create(
        self, world: World, *, first: int, count: int, attempts: int, at_once: int, delay: int, later: int
    ) -> None:
        batch_id = world.create(
            [self.names[(first + i) % len(self.names)] for i in range(count)],
            max_concurrent=at_once,
            retry={"max_attempts": attempts, "delay_minutes": delay, "growth": 1},
            scheduled_for=world.time(later) if later else None,
        )
        self.batches.append((world, batch_id))
        self.max_attempts |= {row["id"]: attempts for row in world.contacts(batch_id)}

    def _claim(self, worker: Process, world: World, limit: int, answer_lost: bool) -> None:
        if not worker.claim(world, limit, answer_lost):
            return
        for found, batch_id in self.batches:
            if found is world:
                live = query(self.connection, "select from public.calls where batch_id = %s and is_live", batch_id)
                assert len(live) <= world.batch(batch_id)["max_concurrent"]
        used = query(self.connection, "select from public.calls where agency_id = %s and is_live", world.agency.id)
        assert len(used) <= query(
            self.connection, "select max_concurrent_calls from public.agencies where id = %s", world.agency.id
        )[0][0]

    def _begin(self, worker: Process, answer_lost: bool) -> None:
        if not (worker.claimed or worker.beginning):
            return
        allowed = {row[0] for row in query(self.connection, MAY_BEGIN)}
        begun = worker.begin(self.worlds[0], self.provider.now, answer_lost)
        assert set(begun) <= allowed

    def _turn(self, process: int, agency: int, fates: list[str], ending: str, stops: str) -> None:
        worker = self._awake(process)
        self._claim(worker, self._world(agency), len(fates), False)
        if stops != "claimed":
            self._begin(worker, False)
        if stops in ("sent", "settled"):
            self._send(worker, fates, ending)
        if stops == "settled":
            worker.settle(self.worlds[0], len(worker.results), False)

    def _one_round(self, process: int, agency: int, how: str, sweeps: bool, records: bool) -> None:
        worker = self._awake(process)
        if sweeps:
            self.worlds[0].sweep()
        worker.ask(self._world(agency), self.provider, how)
        if records:
            worker.record()

    def _go_on(self, calls: int, events: int, told: bool) -> None:
        for call in [call for call in self.provider.calls if call.live][:calls]:
            for _ in range(events):
                call.go_on()
                if told:
                    self._tell(call, list(call.said)[-1])

    def _send(self, worker: Process, fates: list[str], ending: str) -> None:
        for fate in fates[: len(worker.posts)]:
            worker.send(self.provider, fate, ending)

    def _fork(self) -> None:
        self.processes.append(Process(f"process {len(self.processes)}"))

    def _bury(self, worker: Process) -> None:
        index = self.processes.index(worker)
        self._born = getattr(self, "_born", 100) + 1
        self.processes[index] = Process(f"process {self._born}")

    def _user(self, verb: str, index: int) -> None:
        world, batch_id = self.batches[index % len(self.batches)]
        with suppress(psycopg.errors.RaiseException):
            try:
                getattr(world, verb)(batch_id)
            except psycopg.Error as error:
                if error.sqlstate != "PT400":
                    raise

    def _tell(self, call: Placed, word: str) -> None:
        self.worlds[0].verb(
            "ingest_event", p_agency_id=call.order["agency_id"], p_event=f"call.{word}", p_call=call.said[word]
        )

    def _wait(self, seconds: float) -> None:
        self.provider.wait(seconds)
        self.worlds[0].move_clock(seconds)

    def _reconcile_until(self, done: Callable[[], bool]) -> None:
        for _ in range(round((2 * SILENCE + self.jumped_back) / ROUND)):
            if done():
                return
            self._reconcile()
            self._wait(ROUND)
        raise AssertionError("it does not come to an end")

    def _reconcile(self) -> None:
        self.worlds[0].sweep()
        for world in self.worlds:
            self.processes[0].ask(world, self.provider, "tells")
        self.processes[0].record()

    def _calls_in(self, *states: str) -> set[str]:
        return {row[0] for row in query(self.connection, "select id from public.calls where status = any (%s)", list(states))}

    def _states(self) -> dict[str, str]:
        both = """
            select id::text, status from public.calls
            union all select id::text, status || ' contact' from public.campaign_contacts
        """
        return dict(query(self.connection, both))

    def _awake(self, n: int) -> Process:
        awake = [worker for worker in self.processes if not worker.frozen]
        return awake[n % len(awake)]

    def _placed(self, n: int) -> Placed | None:
        """The latest calls first: those are where things happen."""
        return self.provider.calls[-1 - n % len(self.provider.calls)] if self.provider.calls else None

    def _world(self, n: int) -> World:
        return self.worlds[n % 3 // 2]  # the first, with less room, twice as often


CLOSED = ("completed", "failed", "cancelled")
MAY_BEGIN = """
select call.id::text
from public.calls as call
join public.call_batches as batch on batch.id = call.batch_id
where (batch.status = 'processing' and call.status = 'claimed' or call.status = 'dialing')
  and (call.status = 'dialing' or not exists (
    select from public.do_not_call as listed
    where listed.agency_id = call.agency_id and listed.phone_number = call.to_number
  ))
"""
REDIAL = """
with timed_out as (
  update public.calls set status = 'not_placed', reason = 'Timed out', news_at = batchline.clock()
  where status = 'unknown' and unknown_at + interval '30 s' <= batchline.clock()
  returning id
)
select id from timed_out
"""


class RedialOnTimeOut(Campaigns):
    """The same with what every other dialler does: what has not been heard of for half a minute is called again."""

    @step()
    def redial(self) -> None:
        for (call_id,) in query(self.connection, REDIAL):
            query(
                self.connection,
                """
                select batchline.requeue_contact(call, batchline.clock(), false, 'Timed out'),
                       batchline.complete_batches(array[call.batch_id])
                from public.calls as call where id = %s
                """,
                call_id,
            )

    def check(self) -> None:
        """Only the double dial counts here: the rows are wrong by design."""

    def teardown(self) -> None:
        self.connection.rollback()


def _may_follow(before: str, after: str) -> bool:
    if before == after:
        return True
    if before.endswith("contact"):
        return before.removesuffix(" contact") not in FINAL
    if before == "not_placed":
        return after in LATE_KNOWLEDGE
    if after == "not_placed":
        return before in ("claimed", "dialing", "unknown")
    return STATES.index(before) < STATES.index(after)
