"""What the demo promised and what was seen of it: by the provider's oracle, and to the microsecond in the database."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.box import ROUNDED
from rich.console import Group
from rich.table import Table
from rich.text import Text

from local.simulator.oracle import most_in_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from local.demo.witness import CallRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = {1: "once", 2: "twice"}
JITTER_SECONDS = 0.05  # either way, from the beginning of a call in the database to its arrival at the provider


@dataclass(frozen=True)
class Pause:
    """The pause on the way. The database's times, and the demo's own on the monotonic clock that all processes share:
    when the answer to the pause had come, and when the resumption was about to be asked for.
    """

    paused_at: datetime
    resumed_at: datetime
    confirmed: float
    resuming: float
    in_progress: int


@dataclass(frozen=True)
class Evidence:
    """All that was seen. `accepted` is the simulator's list of calls, `wrong_polls` a sentence for each difference."""

    batch: dict[str, Any]
    max_attempts: int
    polls: int
    wrong_polls: Sequence[str]
    pause: Pause | None
    oracle: dict[str, Any]
    accepted: Sequence[dict[str, Any]]
    calls: Sequence[CallRow]
    outcomes: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Promise:
    """`limit` and `seen` as the table shows them, `witness` is who saw it, `hint` what may be behind a broken one."""

    text: str
    limit: str
    seen: str
    witness: str
    held: bool
    hint: str = ""


def promises(evidence: Evidence) -> list[Promise]:
    """Everything the demo stands for, each held or not."""
    return [
        _completed(evidence),
        *dialled_well(evidence),
        _paused(evidence),
    ]


def dialled_well(evidence: Evidence) -> list[Promise]:
    """What holds for every batch, at every moment of it."""
    return [
        at_most("Double dials: called while on a call", 0, evidence.oracle["double_dials"], "provider"),
        at_most("Calls to one person", evidence.max_attempts, evidence.oracle["most_calls_per_contact"], "provider"),
        *_pace(evidence),
        at_most("Calls live at once", evidence.batch["max_concurrent"], evidence.oracle["most_concurrent"], "provider"),
        _counted(evidence),
        _recorded(evidence),
    ]


def at_most(text: str, limit: int, seen: int, witness: str) -> Promise:
    """What was counted is no more than the limit."""
    return Promise(text, f"≤ {limit:,}" if limit else "0", f"{seen:,}", witness, seen <= limit)


def _completed(evidence: Evidence) -> Promise:
    batch = evidence.batch
    finished, total = batch["total_contacts"] - batch["remaining_count"], batch["total_contacts"]
    held = batch["status"] == "completed" and finished == total
    seen = f"{finished:,}" if held else f"{finished:,}, {batch['status']}"
    return Promise("People dealt with, and the batch completed", f"{total:,}", seen, "API", held)


def _pace(evidence: Evidence) -> Iterable[Promise]:
    pace = evidence.batch["calls_per_minute"]
    begun = [(call.began_at - EPOCH) // timedelta(microseconds=1) for call in evidence.calls if call.began_at]
    arrived = [call["accepted_monotonic"] for call in evidence.accepted]
    slowest = max(delays(evidence), default=0.0)
    late = f" A call took {slowest * 1000:.0f} ms to get there: was the machine busy?"
    for name, seconds, limit in (("60 s", 60, pace), ("1 s", 1, ceil(pace / 60))):
        exact = most_in_any(begun, seconds * 1_000_000)
        yield at_most(f"Calls begun in any {name}", limit, exact, "database")
        # what began that far apart arrives no closer than this
        seen = most_in_any(arrived, seconds - 2 * JITTER_SECONDS)  # the first may be late and the last early
        arrivals = at_most(f"Calls arrived in any {name} (± {JITTER_SECONDS * 1000:.0f} ms)", limit, seen, "provider")
        yield replace(arrivals, hint=late if slowest > JITTER_SECONDS else "")


def _counted(evidence: Evidence) -> Promise:
    return at_most(f"Counters unlike the contacts, in {evidence.polls} looks", 0, len(evidence.wrong_polls), "database")


def _paused(evidence: Evidence) -> Promise:
    text, witness = "Calls begun after a pause, while it lasted", "both"
    if evidence.pause is None:
        return Promise(text, "0", "never paused and resumed", witness, held=False)
    late = late_calls(evidence, evidence.pause)
    return Promise(text, "0", f"{len(late)}", witness, not late)


def late_calls(evidence: Evidence, pause: Pause) -> set[str]:
    """Ids of calls that broke the pause: begun while it lasted, or accepted in it without having begun before."""
    begun = {f"{call.call_id}": call.began_at for call in evidence.calls if call.began_at}
    before = {call_id for call_id, began_at in begun.items() if began_at <= pause.paused_at}
    during = {call_id for call_id, began_at in begun.items() if pause.paused_at < began_at < pause.resumed_at}
    return during | (_accepted_during(evidence, pause) - before)


def _accepted_during(evidence: Evidence, pause: Pause) -> set[str]:
    return {
        call["call_id"] for call in evidence.accepted if pause.confirmed <= call["accepted_monotonic"] < pause.resuming
    }


def _recorded(evidence: Evidence) -> Promise:
    accepted = {call["call_id"] for call in evidence.accepted}
    known = {f"{call.call_id}" for call in evidence.calls if call.status == "ended"}
    lost = len(accepted ^ known)
    return at_most("Calls that only the provider or only we know of", 0, lost, "both")


def report(evidence: Evidence, kept: Sequence[Promise], more: Sequence[tuple[str, str]] = ()) -> RenderableType:
    """Figures, with `more` of them by name, a table of the promises, and a sentence for each that was broken."""
    verdict = [Text(_sentence(promise), "bold red") for promise in kept if not promise.held]
    verdict += [Text(sentence, "red") for sentence in evidence.wrong_polls[:3]]
    return Group(
        "", _figures(evidence, more), "", _table(kept), *(verdict or [Text("All promises were kept.", "bold green")])
    )


def _sentence(promise: Promise) -> str:
    return f"Not kept: {promise.text}: promised {promise.limit}, seen {promise.seen} ({promise.witness}).{promise.hint}"


def _table(kept: Sequence[Promise]) -> Table:
    table = Table(box=ROUNDED, expand=True, border_style="bright_black", header_style="bold")
    table.add_column("")
    table.add_column("promise", ratio=1)
    for name in ("promised", "seen"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("seen by", no_wrap=True)
    for promise in kept:
        mark = Text("✓", "bold green") if promise.held else Text("✗", "bold red")
        table.add_row(
            mark, promise.text, promise.limit, Text(promise.seen, "" if promise.held else "red"), promise.witness
        )
    return table


def _figures(evidence: Evidence, more: Sequence[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    outcomes = (f"{people:,} {outcome.replace('_', ' ')}" for outcome, people in evidence.outcomes.items())
    grid.add_row("people", ", ".join(outcomes))
    grid.add_row("calls", f"{len(evidence.accepted):,} in {evidence.seconds:.0f} s: {_often(evidence)}")
    grid.add_row("delay", _delay(evidence))
    if evidence.pause:
        grid.add_row("pace", _utilisation(evidence))
        grid.add_row("pause", _standstill(evidence, evidence.pause))
    for name, figure in more:
        grid.add_row(name, figure)
    return grid


def _often(evidence: Evidence) -> str:
    people_by_calls = Counter(Counter(call["contact_id"] for call in evidence.accepted).values())
    return ", ".join(f"{people:,} people {TIMES.get(n, f'{n} times')}" for n, people in sorted(people_by_calls.items()))


def _utilisation(evidence: Evidence) -> str:
    pace, reached = evidence.batch["calls_per_minute"], reached_pace(evidence)
    if reached is None:
        return "too few calls to tell"
    return f"{reached:.0f} of {pace} calls a minute ({reached / pace:.1%}) while first calls were left"


def _standstill(evidence: Evidence, pause: Pause) -> str:
    seconds = (pause.resumed_at - pause.paused_at).total_seconds()
    later = len(_accepted_during(evidence, pause))
    return f"{seconds:.1f} s: {pause.in_progress} calls went on, {later} of which reached the provider after the 200"


def _delay(evidence: Evidence) -> str:
    taken = delays(evidence)
    if not taken:
        return "no call was accepted"
    return f"{median(taken) * 1000:.0f} ms from a call's beginning to the provider, at most {max(taken) * 1000:.0f} ms"


def delays(evidence: Evidence) -> list[float]:
    """Seconds from each accepted call's beginning in the database to its arrival at the provider."""
    arrived = {call["call_id"]: call["accepted_at"] for call in evidence.accepted}
    begun = {f"{call.call_id}": call.began_at for call in evidence.calls if call.began_at}
    return [arrived[call_id] - at.timestamp() for call_id, at in begun.items() if call_id in arrived]


def reached_pace(evidence: Evidence) -> float | None:
    """Calls begun a minute, up to the last first call (then only retries are left), before and after the pause.

    Of each of the two stretches it counts what began from its first call until just before its last one, per time
    between them. None where there was no time.
    """
    begun = [(call.began_at, call.attempt) for call in evidence.calls if call.began_at]
    last = max((at for at, attempt in begun if attempt == 1), default=None)
    times = [at for at, _ in begun if last and at <= last]
    cut = bisect_right(times, evidence.pause.paused_at) if evidence.pause else len(times)
    stretches = [stretch for stretch in (times[:cut], times[cut:]) if stretch]
    calls = sum(bisect_left(stretch, stretch[-1]) for stretch in stretches)
    seconds = sum((stretch[-1] - stretch[0]).total_seconds() for stretch in stretches)
    return calls / seconds * 60 if seconds else None
