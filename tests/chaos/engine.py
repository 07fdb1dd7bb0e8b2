"""Runs scenarios: many worlds at a time, since most of a run is waiting for timers."""

from __future__ import annotations

import json
import traceback
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos import facts
from tests.chaos.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.chaos.facts import Facts
    from tests.chaos.ground import Ground, Side
    from tests.chaos.run import Scenario


@dataclass(frozen=True)
class Outcome:
    """What one run came to; no facts where the run itself failed, whose error is then among the problems."""

    scenario: Scenario
    seed: int
    done: dict[str, int]
    facts: Facts | None
    problems: tuple[str, ...]

    @property
    def has_held(self) -> bool:
        return not self.problems


def run_all(
    ground: Ground,
    side: Side,
    jobs: Sequence[tuple[Scenario, int]],
    tell: Callable[[Outcome], None],
    *,
    at_once: int,
    slack: float = 0,
) -> None:
    """Runs every job, in worlds of this side unless the scenario makes one of its own; `tell` hears of each at its end.

    Those that want the provider to be the same go together. `slack` seconds are added to each bound, for machines that
    are busy with other things.
    """
    for together in _grouped(jobs):
        ground.set_provider(together[0][0].provider)
        with ThreadPoolExecutor(1 if together[0][0].alone else at_once) as pool:
            running = [pool.submit(_run, ground, side, *job, slack) for job in together]
            for done in as_completed(running):
                tell(done.result())


def _run(ground: Ground, side: Side, scenario: Scenario, seed: int, slack: float) -> Outcome:
    done: dict[str, int] = {}
    try:
        with (
            scenario.around(ground) if scenario.around else nullcontext(side) as its_side,
            Run.made(scenario, seed, ground, its_side) as run,
        ):
            scenario.play(run)
            done.update(run.done)
            found = facts.gather(run.world, run.mended_at, run.slept)
        return Outcome(scenario, seed, done, found, tuple(_problems(scenario, found, slack)))
    except Exception:  # whatever it is: of many runs, each tells what happened to it
        return Outcome(scenario, seed, done, None, (traceback.format_exc(),))


def _problems(scenario: Scenario, found: Facts, slack: float) -> Iterable[str]:
    if not scenario.may_double:
        yield from (*found.again, *found.late)
    elif len(found.again) > found.alarms:
        yield f"{len(found.again)} calls too many, and only {found.alarms} alarms"
    yield from found.wrong
    if found.leaked:
        yield f"{found.leaked} calls are live"
    if found.unknown and not scenario.parks:
        yield f"{found.unknown} contacts stay unknown"
    if scenario.bound is not None and found.settled_in > scenario.bound + slack:
        yield f"a call was settled after {found.settled_in:.1f} s, later than {scenario.bound:.1f} s"


def _grouped(jobs: Sequence[tuple[Scenario, int]]) -> list[list[tuple[Scenario, int]]]:
    groups: dict[str, list[tuple[Scenario, int]]] = {}
    for scenario, seed in jobs:
        alone = scenario.name if scenario.alone else ""
        groups.setdefault(f"{alone}{json.dumps(scenario.provider)}", []).append((scenario, seed))
    return list(groups.values())
