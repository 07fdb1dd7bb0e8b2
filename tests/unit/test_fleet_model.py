"""The simulation of the fan-out keeps the laws that the real one keeps, whatever is measured or deployed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import day
from benchmarks.deployment import Costs, Deployment
from benchmarks.fleet_model import MINUTE, Agency, Seen, Simulation, ready
from benchmarks.optimum import most_in_any

COSTS = Costs(
    message=70, message_database=4, look=2.5, request=2, turn=6, call=1, counted=0.004, webhook=2.5, dial_turn=8, dial=2
)
AMPLE = Deployment(COSTS, workers=30, cores=4)
SMALL = [
    replace(AMPLE, workers=3),
    replace(AMPLE, cores=0.1),
    replace(AMPLE, executions=5),
    replace(AMPLE, pool=1, commit=0.05),
]


@dataclass
class Recorded(Agency):
    """One whose calls can be looked at, in microseconds."""

    times: list[int] = field(default_factory=list[int])

    def begin(self, count: int, at: float) -> None:
        super().begin(count, at)
        self.times += [round(at * 1e6)] * count


def simulated(deployment: Deployment, agencies: int = 20, pace: int = 30, seconds: int = 120) -> Seen:
    return Simulation(deployment, ready([Agency(pace) for _ in range(agencies)])).run(seconds, warm_up=60)


@settings(max_examples=15, deadline=None)
@given(
    pace=st.integers(1, 150),
    slots=st.integers(1, 60),
    contacts=st.integers(0, 300),
    workers=st.integers(1, 5),
    group=st.integers(1, 3),
)
def test_no_agency_exceeds_its_pace_its_second_or_its_list(
    pace: int, slots: int, contacts: int, workers: int, group: int
) -> None:
    agencies = [Recorded(pace, slots, 20, contacts) for _ in range(3)]
    Simulation(replace(AMPLE, workers=workers, group=group), agencies).run(150)

    for agency in agencies:
        assert len(agency.times) == agency.total <= contacts
        assert most_in_any(agency.times, 60_000_000) <= pace
        assert most_in_any(agency.times, 1_000_000) <= agency.share


def test_no_agency_starves_where_there_is_enough_of_everything() -> None:
    seen = simulated(AMPLE)

    assert min(seen.shares) >= 0.95
    assert (seen.late, seen.skipped) == (0, 0)


@pytest.mark.parametrize("deployment", SMALL[:2])
def test_where_there_is_not_enough_agencies_share_it_alike(deployment: Deployment) -> None:
    shares = simulated(deployment, seconds=300).shares

    assert 0 < median(shares) < 0.9
    assert min(shares) >= 0.7 * median(shares)


@pytest.mark.parametrize("deployment", [AMPLE, *SMALL])
def test_twice_of_everything_is_never_slower(deployment: Deployment) -> None:
    twice = replace(
        deployment,
        workers=2 * deployment.workers,
        cores=2 * deployment.cores,
        pool=2 * deployment.pool,
        executions=2 * deployment.executions,
    )

    assert simulated(twice).begun >= 0.99 * simulated(deployment).begun


@pytest.mark.parametrize("deployment", [AMPLE, *SMALL])
def test_nobody_works_more_than_all_of_the_time(deployment: Deployment) -> None:
    seen = simulated(deployment)

    assert seen.core_seconds <= 1.02 * deployment.cores * 120
    assert seen.worker_seconds <= deployment.workers * 120
    assert seen.most_workers <= min(deployment.workers, deployment.executions)


def test_a_tenth_of_everything_gives_each_agency_the_same() -> None:
    whole = Deployment(COSTS, workers=50, cores=2, pool=50)
    tenth = Deployment(COSTS, workers=5, cores=0.2, pool=5)

    shares = [median(simulated(one, agencies, 30).shares) for one, agencies in ((whole, 100), (tenth, 10))]

    assert shares[0] == pytest.approx(shares[1], rel=0.1)


def test_workers_that_have_to_be_started_first_begin_later() -> None:
    cold, warm = (
        Simulation(AMPLE, [Agency(60) for _ in range(20)], warm=warm).run(30, warm_up=0).begun for warm in (False, True)
    )

    assert 0 < cold < warm


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    few = replace(AMPLE, workers=7)
    first, again, other = (
        Simulation(few, ready([Agency(30) for _ in range(20)], seed), seed).run(120) for seed in (1, 1, 2)
    )

    assert first == again
    assert first.shares != other.shares


def test_a_steady_agency_is_within_its_pace_from_the_start() -> None:
    agency = Agency(90)
    agency.steady(17.0)

    assert len([at for at in agency.begun if at > -MINUTE]) == 90
    assert agency.room(0) == 0 or agency.begun[0] <= agency.begun[-1] - MINUTE + 1.1


def test_in_a_day_every_call_is_made_at_the_pace_and_fewer_are_where_half_of_it_is_reached() -> None:
    whole, half = day.works(200, 1000), day.works(200, 1000)
    steps = day.lived(whole, 10, lambda _: 1.0)
    day.lived(half, 5, lambda _: 0.5)

    assert sum(one.left for one in whole) == 0
    assert sum(one.left for one in half) > 0
    assert max(step.active for step in steps) == day.peak(200, 1000, 10)
    assert steps[-1].active == 0
