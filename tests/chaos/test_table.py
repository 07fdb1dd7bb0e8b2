"""The quick table: the dialler is killed, frozen, misled and cut off, and calls nobody twice and forgets nobody.

All worlds run at the same time, before the first test looks at what came of them; `make chaos` runs many more.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from local.simulator.client import Simulator
from shared.settings import settings
from tests.chaos import engine, variant
from tests.chaos.ground import Ground
from tests.chaos.plan import QUICK, Plan
from tests.chaos.table import Row, rows
from tests.chaos.workers import Nursery
from tests.dialer.harness import parameter_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.stack import Stack
    from tests.chaos.engine import Outcome

pytestmark = pytest.mark.timeout(900)
AT_ONCE = 16
SLACK = 15.0  # seconds that a machine which is busy with other things may add to a bound
NAMES = [scenario.name for scenario in QUICK.scenarios()]


@pytest.fixture(scope="module")
def ground(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder: Path = tmp_path_factory.mktemp("chaos")
    settings.cache_clear()
    with Simulator(stack.simulator_url) as simulator, Nursery(os.environ, folder / "workers") as nursery:
        usual = simulator.config()
        yield Ground(stack, simulator, nursery, folder)
        simulator.reset()
        simulator.configure(**usual)
    parameter_store().close()
    parameter_store.cache_clear()


@pytest.fixture(scope="module")
def table(ground: Ground) -> dict[str, Row]:
    outcomes: list[Outcome] = []
    engine.run_all(ground, ground.main, QUICK.jobs(), outcomes.append, at_once=AT_ONCE, slack=SLACK)
    return {row.scenario.name: row for row in rows(QUICK.scenarios(), outcomes)}


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_called_twice_and_nobody_is_lost(table: dict[str, Row], name: str) -> None:
    problems = {outcome.seed: outcome.problems for outcome in table[name].outcomes if not outcome.has_held}

    assert not problems
    assert sum(outcome.facts.accepted for outcome in table[name].outcomes if outcome.facts)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("kill_", "freeze_"))])
def test_every_worker_came_to_its_point(table: dict[str, Row], name: str) -> None:
    what = "kills" if name.startswith("kill_") else "freezes"

    assert table[name].done()[what] == len(table[name].outcomes)


def test_a_dialler_that_redials_on_a_time_out_is_seen_to_call_people_twice(ground: Ground) -> None:
    outcomes: list[Outcome] = []

    with variant.redialling_side(ground) as side:
        engine.run_all(ground, side, QUICK.variant_jobs(), outcomes.append, at_once=AT_ONCE, slack=SLACK)

    assert {row.scenario.name: row.double_dials > 0 for row in rows(variant.SURE, outcomes)} == {
        scenario.name: True for scenario in variant.SURE
    }


def test_the_long_table_kills_a_thousand_times_and_freezes_three_hundred_times_over_all_points() -> None:
    runs = Counter(scenario.name for scenario, _ in Plan().jobs())

    for what, least in (("kill_", 1000), ("freeze_", 300)):
        counts = [count for name, count in runs.items() if name.startswith(what)]
        assert len(counts) == 10
        assert len(set(counts)) == 1
        assert sum(counts) >= least


def test_a_run_that_failed_can_be_repeated_alone() -> None:
    ((scenario, seed),) = Plan(seed=42).jobs(only="kill_begun", runs=1)

    assert (scenario.name, seed) == ("kill_begun", 42)
