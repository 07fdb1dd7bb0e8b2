"""`python -m tests.chaos`; `--help` lists what can be chosen.

Kills, freezes and misleads the dialler many times, and writes the tables of docs/reliability.md when all of them ran.
Exit status 0 only if every row held, and the variant that redials was seen to call people twice.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import report
from local.processes import ROOT
from local.simulator.client import Simulator
from local.stack import Stack
from shared.settings import settings
from tests.chaos import engine, gap, table, variant
from tests.chaos.ground import Ground
from tests.chaos.plan import QUICK, Plan
from tests.chaos.workers import Nursery

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tests.chaos.engine import Outcome
    from tests.chaos.ground import Side
    from tests.chaos.run import Scenario
    from tests.chaos.table import Row

MACHINE = "tests/chaos/test_state_machine.py"
FAILED = "failed"
GAP_DIALS = 4000
console = Console()


def main() -> int:
    options = _options()
    plan = _plan(options)
    held = _some(options, plan) if options.only else _all(options, plan)
    console.print("Every row held." if held else "Something did not hold.")
    return 0 if held else 1


def _some(options: argparse.Namespace, plan: Plan) -> bool:
    """The scenarios that were named."""
    with ground() as here:
        found = _run(here, here.main, plan.scenarios(), plan.jobs(options.only, options.runs), options.jobs)
    _print(found)
    return bool(found) and all(row.has_held for row in found)


def _all(options: argparse.Namespace, plan: Plan) -> bool:
    """Everything, and the tables of the document."""
    started = time.monotonic()
    with ground() as here:
        size = gap.measure(here, GAP_DIALS // 10 if options.quick else GAP_DIALS)
        found = _run(here, here.main, plan.scenarios(), plan.jobs(runs=options.runs), options.jobs)
        with variant.redialling_side(here) as side:
            other = _run(here, side, variant.SCENARIOS, plan.variant_jobs(), options.jobs, quiet=True)
    walked = None if options.quick else _walk(options.seed, options.walks)
    held = all(row.has_held for row in found) and any(row.double_dials for row in other) and walked != FAILED
    _print(found)
    _print(other)
    console.print(f"From the last look at the clock to the write: {size}.")
    if not options.quick:
        table.write(
            {
                "run": _story(time.monotonic() - started, found),
                "table": table.text(found),
                "walk": f"The state machine of `{MACHINE}`: {walked}.",
                "variant": table.text(other),
                "gap": f"On this machine: {size}.",
            }
        )
    return held


def _print(found: Sequence[Row]) -> None:
    console.print(table.text(found), markup=False, soft_wrap=True)


@contextmanager
def ground() -> Generator[Ground]:
    """A stack of its own; its settings are in the environment."""
    for name in [name for name in os.environ if name.endswith("_SECONDS") or name == "DATABASE_URL"]:
        del os.environ[name]
    with (
        tempfile.TemporaryDirectory(prefix="batchline-") as name,
        Stack(Path(name) / "stack", durable=False) as stack,
        Simulator(stack.simulator_url) as simulator,
    ):
        os.environ.update({name: value for name, value in stack.env.items() if name != "DATABASE_URL"})
        settings.cache_clear()
        with Nursery(os.environ, Path(name) / "workers") as nursery:
            yield Ground(stack, simulator, nursery, Path(name))


def _run(
    here: Ground,
    side: Side,
    scenarios: Sequence[Scenario],
    jobs: Sequence[tuple[Scenario, int]],
    at_once: int,
    *,
    quiet: bool = False,
) -> list[Row]:
    """The rows of these scenarios; `quiet`: what does not hold there is no news."""
    outcomes: list[Outcome] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("redialling" if quiet else "runs", total=len(jobs))

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            progress.advance(task)
            if not console.is_terminal and len(outcomes) % 50 == 0:
                console.print(f"{len(outcomes)} of {len(jobs)}", highlight=False)
            if not (outcome.has_held or quiet):
                progress.console.print(_complaint(outcome), markup=False, soft_wrap=True)

        engine.run_all(here, side, jobs, tell, at_once=at_once)
    return table.rows(scenarios, outcomes)


def _complaint(outcome: Outcome) -> str:
    name, seed = outcome.scenario.name, outcome.seed
    lines = (f"{name} with seed {seed} did not hold:", *(f"  {problem}" for problem in outcome.problems))
    return "\n".join((*lines, f'  again: make chaos ARGS="--only {name} --seed {seed} --runs 1"'))


def _walk(seed: int, walks: int) -> str:
    """The state machine's long version; what it came to."""
    environment = os.environ | {"CHAOS_EXAMPLES": str(walks), "CHAOS_SEED": str(seed)}
    command = (sys.executable, "-m", "pytest", "-q", "--timeout=0", MACHINE)
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    return FAILED if done.returncode else f"{walks} walks with seed {seed}, nobody was called twice and nobody lost"


def _story(seconds: float, found: Sequence[Row]) -> str:
    failed = [row.scenario.name for row in found if not row.has_held]
    verdict = f"These rows did not hold: {', '.join(failed)}." if failed else "Every row held."
    return f'`make chaos ARGS="{" ".join(sys.argv[1:])}"` took {seconds / 60:.0f} minutes. {verdict} {report.machine()}'


def _plan(options: argparse.Namespace) -> Plan:
    plan = replace(QUICK if options.quick else Plan(), seed=options.seed)
    names = ("kills", "freezes", "others", "outages", "variant")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return replace(plan, **given)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Try to make the dialler call twice.")
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each scenario")
    parser.add_argument("--kills", type=int, help="in all (1,000)")
    parser.add_argument("--freezes", type=int, help="in all (320)")
    parser.add_argument("--others", type=int, help="of each other fault (12)")
    parser.add_argument("--outages", type=int, help="of each outage of the database (6)")
    parser.add_argument("--variant", type=int, help="of each fault beside the dialler that redials (4)")
    parser.add_argument("--walks", type=int, default=300, help="of the state machine (300)")
    parser.add_argument("--only", metavar="NAME", help="the scenarios whose names contain this; writes no tables")
    parser.add_argument("--runs", type=int, help="of each scenario")
    parser.add_argument("--jobs", type=int, default=12, help="worlds at a time")
    parser.add_argument("--quick", action="store_true", help="what the tests run; writes no tables")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
