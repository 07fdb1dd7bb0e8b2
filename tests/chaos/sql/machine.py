"""The dialler as a state machine: the real schema, processes that crash and freeze, and a provider with its own books.

No step draws from what the database holds, so that a seed gives the same run each time: numbers choose among what is
there, and a step that finds nothing to do does nothing.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.chaos.sql.ending import ASK_AFTER, ASK_AGAIN, LEASE, come_to_an_end
from tests.chaos.sql.process import ANSWERS
from tests.chaos.sql.provider import ENDINGS, LISTS_LATE, LISTS_SOON
from tests.chaos.sql.scene import Scene
from tests.sql.checks import query

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.sql.process import Process
    from tests.factories import Connection

    Step = Callable[..., None]
    Meanwhile = tuple[str, dict[str, Any]] | None

ANY = st.integers(0, 23)
COUNT = st.integers(1, 4)
RARELY = st.sampled_from((False, False, False, True))
UNCERTAIN = ("placed, answer lost", "placed late", "lost on its way")
FATES = st.sampled_from((*["placed"] * 9, *UNCERTAIN, *UNCERTAIN, *ANSWERS))
OUTCOMES = st.sampled_from((*ENDINGS, "answered", "no_answer"))
# Among them what ends a dial_by (10), a lease (60), the two questions (60, 120), the silence (600).
SECONDS = st.sampled_from((1, 5, 9, 11, 31, 61, 61, 121, 121, 700))
TURN = {
    "process": ANY,
    "agency": ANY,
    "fates": st.lists(FATES, min_size=2, max_size=4),
    "ending": OUTCOMES,
    "stops": st.sampled_from(("claimed", "begun", "sent", "settled", "settled", "settled")),
}
ROUND = {
    "process": ANY,
    "agency": ANY,
    "how": st.sampled_from(("tells", "lags", "lags", "fails")),
    "sweeps": st.booleans(),
    "records": st.booleans(),
}
EVENTS = {"calls": COUNT, "events": st.sampled_from((1, 2, 4, 4)), "told": st.sampled_from((True, True, False))}
# Hypothesis leaves out half of the rules in each run. What must go on for anything else to matter goes on before each.
MEANWHILE = st.one_of(
    st.none(),
    st.tuples(st.just("turn"), st.fixed_dictionaries(TURN)),
    st.tuples(st.just("go_on"), st.fixed_dictionaries(EVENTS)),
    st.tuples(st.just("reconcile"), st.fixed_dictionaries(ROUND)),
    st.tuples(st.just("wait"), st.fixed_dictionaries({"seconds": SECONDS})),
)


def step(**draws: st.SearchStrategy[Any]) -> Callable[[Step], Step]:
    """A rule before which life may have gone on, and after which everything must hold that always holds."""

    def decorate(act: Step) -> Step:
        @wraps(act)
        def run(self: Campaigns, meanwhile: Meanwhile, **drawn: Any) -> None:
            self.broken = True
            if meanwhile:
                self.live_on(*meanwhile)
            act(self, **drawn)
            self.check()
            self.broken = False

        return cast("Any", rule)(meanwhile=MEANWHILE, **draws)(run)

    return decorate


class Campaigns(RuleBasedStateMachine):
    """Two agencies, a few numbers in several batches of each, and any number of processes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.connection.rollback()
        query(connection, "select setval('public.steady_ids', 1)")
        self.scene = Scene(connection)
        self.steady_clock = True
        self.set_at = float("-inf")
        self.broken = False

    @initialize(steady_clock=st.booleans())
    def begin_with_two(self, steady_clock: bool) -> None:
        """Two batches have the same people. Where no clock jumps, look-ups may lag up to the second question."""
        self.steady_clock = steady_clock
        self.scene.provider.lists_within = LISTS_LATE if steady_clock else LISTS_SOON
        for _ in range(2):
            self.scene.create(self.scene.world(0), first=0, count=5, attempts=3, at_once=3, delay=0, later=0)

    # --- users

    @step(
        agency=ANY, first=ANY, count=COUNT, attempts=st.integers(1, 3), at_once=st.integers(1, 4),
        delay=st.integers(0, 1), later=st.sampled_from((0, 0, 0, 80)),
    )  # fmt: skip
    def create(self, agency: int, **batch: int) -> None:
        if len(self.scene.batches) < 6:
            self.scene.create(self.scene.world(agency), **batch)

    @step(verb=st.sampled_from(("pause", "resume", "resume", "resume", "cancel")), batch=ANY)
    def use(self, verb: str, batch: int) -> None:
        self.scene.use(verb, batch)

    @step(batch=ANY, first=ANY, count=COUNT, answer_lost=RARELY)
    def append(self, batch: int, first: int, count: int, answer_lost: bool) -> None:
        self.scene.append(batch, first, count, answer_lost)

    @step()
    def append_again(self) -> None:
        """Whoever heard no answer asks once more, however late."""
        self.scene.append_again()

    @step(agency=ANY, number=ANY)
    def forbid(self, agency: int, number: int) -> None:
        if number % 3 == 0:
            self.scene.forbid(self.scene.world(agency), number)

    # --- processes

    @step(process=ANY, agency=ANY, limit=COUNT, answer_lost=RARELY)
    def claim(self, process: int, agency: int, limit: int, answer_lost: bool) -> None:
        self.scene.claim(self.scene.awake(process), self.scene.world(agency), limit, answer_lost)

    @step(process=ANY, answer_lost=RARELY)
    def begin(self, process: int, answer_lost: bool) -> None:
        self.scene.begin(self.scene.awake(process), answer_lost)

    @step(process=ANY, fates=st.lists(FATES, min_size=1, max_size=4), ending=OUTCOMES)
    def send(self, process: int, fates: list[str], ending: str) -> None:
        self.scene.send(self.scene.awake(process), fates, ending)

    @step(process=ANY, count=COUNT, answer_lost=RARELY)
    def settle(self, process: int, count: int, answer_lost: bool) -> None:
        self.scene.settle(self.scene.awake(process), count, answer_lost)

    @step(process=ANY, fates=st.lists(FATES, max_size=3), ending=OUTCOMES)
    def crash(self, process: int, fates: list[str], ending: str) -> None:
        """Some of its POSTs may just have left; nobody will ever hear what came of them."""
        dying = self.scene.awake(process)
        self.scene.send(dying, fates, ending)
        self.scene.bury(dying)

    @step(process=ANY)
    def freeze(self, process: int) -> None:
        self.scene.freeze(self.scene.awake(process))

    @step(process=ANY, fates=st.lists(FATES, max_size=4), ending=OUTCOMES)
    def wake(self, process: int, fates: list[str], ending: str) -> None:
        if frozen := self.scene.frozen(process):
            self._wake(frozen, fates, ending)

    @step(**TURN)
    def oversleep(self, process: int, agency: int, fates: list[str], ending: str, stops: str) -> None:
        """Frozen before its POSTs, until the provider has twice said that it knows of none and others have dialled."""
        sleeper = self.scene.awake(process)
        self.scene.claim(sleeper, self.scene.world(agency), len(fates))
        self.scene.begin(sleeper)
        self.scene.freeze(sleeper)
        for seconds in (LEASE, ASK_AFTER, ASK_AGAIN):
            self.scene.wait(seconds)
            self.one_round(process=process, agency=agency, how="tells", sweeps=True, records=True)
        self._turn(process, agency, fates, ending, stops)
        self._wake(sleeper, fates, ending)

    @step(**ROUND)
    def reconcile(self, **drawn: Any) -> None:
        self.one_round(**drawn)

    @step(process=ANY)
    def record(self, process: int) -> None:
        self.scene.awake(process).record()

    # --- the provider, and time

    @step(**EVENTS)
    def go_on(self, **drawn: Any) -> None:
        """Webhooks come at once, or some other time, or never."""
        self.scene.go_on(**drawn)

    @step(call=ANY, event=ANY)
    def webhook(self, call: int, event: int) -> None:
        """Of any event that has happened: late, repeated, before older ones, before the POST's own answer."""
        if placed := self.scene.placed(call):
            words = list(placed.said)
            self.scene.tell(placed, words[event % len(words)])

    @step(seconds=SECONDS)
    def wait(self, seconds: int) -> None:
        self.scene.wait(seconds)

    @step(seconds=st.sampled_from((-3600, -700, -65, 65, 700, 3600)))
    def jump(self, seconds: int) -> None:
        """Forwards it may cut short one of lease, first and second question, not all of them."""
        if self.steady_clock:
            return
        if seconds > 0 and self.scene.provider.now - self.set_at < LEASE + ASK_AFTER + ASK_AGAIN:
            return
        if seconds > 0:
            self.set_at = self.scene.provider.now
        self.scene.jump(seconds)

    # --- around the steps

    def live_on(self, what: str, drawn: dict[str, Any]) -> None:
        """A turn of a process, calls that come to their end, a reconciliation, or time."""
        acts: dict[str, Step] = {
            "turn": self._turn, "go_on": self.scene.go_on, "reconcile": self.one_round, "wait": self.scene.wait,
        }  # fmt: skip
        acts[what](**drawn)

    def _turn(self, process: int, agency: int, fates: list[str], ending: str, stops: str) -> None:
        """What a process does when nothing comes between, up to some point."""
        worker = self.scene.awake(process)
        self.scene.claim(worker, self.scene.world(agency), len(fates))
        if stops != "claimed":
            self.scene.begin(worker)
        if stops in ("sent", "settled"):
            self.scene.send(worker, fates, ending)
        if stops == "settled":
            self.scene.settle(worker)

    def _wake(self, frozen: Process, fates: list[str], ending: str) -> None:
        """It goes on where it stood, however late."""
        frozen.frozen = False
        frozen.record()
        self.scene.begin(frozen)
        self.scene.send(frozen, fates, ending)

    def one_round(self, *, process: int, agency: int, how: str, sweeps: bool, records: bool) -> None:
        """Sweep and ask; the answers may be written at once or at some other time."""
        worker = self.scene.awake(process)
        if sweeps:
            self.scene.worlds[0].sweep()
        worker.ask(self.scene.world(agency), self.scene.provider, how)
        if records:
            worker.record()

    def check(self) -> None:
        self.scene.check()

    def teardown(self) -> None:
        if not self.broken:  # otherwise what is wrong has been said
            come_to_an_end(self.scene)
        self.connection.rollback()
