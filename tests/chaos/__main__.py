"""`python -m tests.chaos [--seed N] [--kills N] [--freezes N] [--only NAME] [--runs N] [--jobs N] [--quick]`

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

MACHINE = Path("tests/chaos/test_state_machine.py")
EXAMPLES = 300
GAP_DIALS = 4000
console = Console()


def main() -> int:
    options = _options()
    plan = _plan(options)
    started = time.monotonic()
    with ground() as here:
        size = None if options.only else gap.measure(here, GAP_DIALS // 10 if options.quick else GAP_DIALS)
        outcomes = _run(here, here.main, plan.jobs(options.only, options.runs), options.jobs, "as built")
        redialled = []
        if not options.only:
            with variant.redialling_side(here) as side:
                redialled = _run(here, side, plan.variant_jobs(), options.jobs, "variant", quiet=True)
    found, other = table.rows(plan.scenarios(), outcomes), table.rows(variant.SCENARIOS, redialled)
    console.print(table.text(found), markup=False, soft_wrap=True)
    if options.only:
        return 0 if all(row.has_held for row in found) else 1
    console.print(table.text(other), markup=False, soft_wrap=True)
    console.print(f"From the last look at the clock to the write: {size}")
    walked = _walk(options)
    if not options.quick:
        table.write(_sections(found, other, str(size), walked, _ran(plan, options.jobs, time.monotonic() - started)))
    held = all(row.has_held for row in found) and any(row.double_dials for row in other) and walked is not None
    console.print("Every row held." if held else "Something did not hold.")
    return 0 if held else 1


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
    here: Ground, side: Side, jobs: Sequence[tuple[Scenario, int]], at_once: int, title: str, *, quiet: bool = False
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=len(jobs))

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            progress.advance(task)
            if not (outcome.has_held or quiet):
                progress.console.print(_complaint(outcome), markup=False, soft_wrap=True)

        engine.run_all(here, side, jobs, tell, at_once=at_once)
    return outcomes


def _complaint(outcome: Outcome) -> str:
    name, seed = outcome.scenario.name, outcome.seed
    lines = (f"{name} with seed {seed} did not hold:", *(f"  {problem}" for problem in outcome.problems))
    return "\n".join((*lines, f'  again: make chaos ARGS="--only {name} --seed {seed} --runs 1"'))


def _walk(options: argparse.Namespace) -> str | None:
    """The state machine's long version, where it is; what it came to, None where it failed."""
    if options.quick or not (ROOT / MACHINE).exists():
        return "not run"
    environment = os.environ | {"CHAOS_EXAMPLES": str(EXAMPLES), "CHAOS_SEED": str(options.seed)}
    command = (sys.executable, "-m", "pytest", "-q", "--timeout=0", str(MACHINE))
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    return f"{EXAMPLES} walks with seed {options.seed}: nobody was called twice" if done.returncode == 0 else None


def _sections(
    found: Sequence[table.Row], other: Sequence[table.Row], size: str, walked: str | None, ran: str
) -> dict[str, str]:
    return {
        "run": ran,
        "table": table.text(found),
        "variant": table.text(other),
        "gap": f"On this machine: {size}.",
        "walk": f"The state machine: {walked or 'failed'}.",
    }


def _ran(plan: Plan, at_once: int, seconds: float) -> str:
    return (
        f'`make chaos ARGS="--seed {plan.seed} --kills {plan.kills} --freezes {plan.freezes} --jobs {at_once}"` took '
        f"{seconds / 60:.0f} minutes. {report.machine()}"
    )


def _plan(options: argparse.Namespace) -> Plan:
    plan = replace(QUICK if options.quick else Plan(), seed=options.seed)
    given = {name: getattr(options, name) for name in ("kills", "freezes") if getattr(options, name) is not None}
    return replace(plan, **given)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Try to make the dialler call twice.")
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each scenario")
    parser.add_argument("--kills", type=int, help="in all (1,000)")
    parser.add_argument("--freezes", type=int, help="in all (320)")
    parser.add_argument("--only", metavar="NAME", help="the scenarios whose names contain this; writes no tables")
    parser.add_argument("--runs", type=int, help="of each scenario")
    parser.add_argument("--jobs", type=int, default=12, help="worlds at a time")
    parser.add_argument("--quick", action="store_true", help="what the tests run; writes no tables")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
