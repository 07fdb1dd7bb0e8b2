"""`python -m tests.attacks`; `--help` lists what can be chosen.

Sends 50,000 hostile requests, files and pages to a running stack, and writes the table of docs/attacks.md when all of
them were sent. Exit status 0 only if nothing was found. The same seed makes the same cases, but for ids and times.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import report
from local.processes import ROOT
from tests.attacks import plan, table
from tests.attacks.blocks import Block, Outcome
from tests.attacks.checks import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

LONGEST_BLOCK = 1800.0
console = Console()
starting = threading.Lock()


def main() -> int:
    options = _options()
    blocks = plan.blocks(Document().operations, options.cases, options.seed, options.only)
    machine, started = report.machine(), time.monotonic()
    outcomes = _run_all(blocks, min(options.jobs, len(blocks)))
    seconds = time.monotonic() - started
    text = table.text(outcomes)
    sent = sum(outcome.statuses.total() for outcome in outcomes)
    faults = sum(len(outcome.faults) + outcome.further_faults for outcome in outcomes)
    missing = len(blocks) - len(outcomes)
    console.print(text, markup=False, soft_wrap=True)
    story = (
        f"{sent:,} cases with seed {options.seed} in {seconds / 60:.0f} minutes, {sent / seconds:.0f} a second. "
        f"{faults or 'No'} faults were found in the answers."
    )
    console.print(story, highlight=False)
    if missing:
        console.print(f"{missing} of {len(blocks)} blocks were not run to their end.")
    if not options.only and options.cases >= plan.WHOLE:
        table.write({"run": f"{story} {machine}", "table": text})
    return 1 if faults or missing else 0


def _run_all(blocks: Sequence[Block], jobs: int) -> list[Outcome]:
    """What the blocks came to; one that a job did not survive is missing."""
    waiting: queue.SimpleQueue[Block] = queue.SimpleQueue()
    for block in blocks:
        waiting.put(block)
    outcomes: list[Outcome] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("cases", total=sum(block.cases for block in blocks))

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            progress.advance(task, outcome.statuses.total())
            if not console.is_terminal and len(outcomes) % 20 == 0:
                console.print(f"{len(outcomes)} of {len(blocks)} blocks", highlight=False)
            if outcome.faults:
                progress.console.print(_complaint(outcome), markup=False, soft_wrap=True, highlight=False)

        threads = [threading.Thread(target=_serve, args=(waiting, tell)) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONGEST_BLOCK * len(blocks))
    return outcomes


def _serve(waiting: queue.SimpleQueue[Block], tell: Callable[[Outcome], None]) -> None:
    """Gives one worker block after block until none is left; ends with the worker."""
    with tempfile.TemporaryFile("w+", errors="replace") as log, ExitStack() as ending:
        with starting:  # many stacks that start at once keep each other from being ready in time
            process = ending.enter_context(_worker(log))
            alive = _answer(process) is not None
        while alive and (block := _next(waiting)):
            answer = _answer(process, json.dumps(asdict(block)))
            if answer is None:
                console.print(f"A job ended in {block.name}.", highlight=False)
                break
            tell(_outcome(block, json.loads(answer)))
        else:
            return
        log.seek(max(0, log.tell() - 3000))
        console.print(log.read(), markup=False, highlight=False)


def _next(waiting: queue.SimpleQueue[Block]) -> Block | None:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return None


def _answer(process: subprocess.Popen[str], question: str = "") -> str | None:
    """A worker's next line; None where it ended instead. Without a question it is that it is ready."""
    assert process.stdin
    assert process.stdout
    watchdog = threading.Timer(LONGEST_BLOCK, process.kill)
    watchdog.start()
    try:
        if question:
            process.stdin.write(question + "\n")
            process.stdin.flush()
        return process.stdout.readline() or None
    except BrokenPipeError:
        return None
    finally:
        watchdog.cancel()


@contextmanager
def _worker(log: IO[str]) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.attacks.worker"]
    with ExitStack() as ending:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log, text=True)
        ending.callback(process.wait, timeout=30)
        ending.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[str]) -> None:
    """Its own end first: with its input ends its stack."""
    try:
        process.communicate(timeout=60)
    except (subprocess.TimeoutExpired, BrokenPipeError):
        process.kill()


def _outcome(block: Block, told: dict[str, object]) -> Outcome:
    statuses: dict[str, int] = told["statuses"]  # pyright: ignore[reportAssignmentType]
    faults: list[str] = told["faults"]  # pyright: ignore[reportAssignmentType]
    further: int = told["further_faults"]  # pyright: ignore[reportAssignmentType]
    return Outcome(block, Counter({int(status): count for status, count in statuses.items()}), faults, further)


def _complaint(outcome: Outcome) -> str:
    block = outcome.block
    more = [f"  and {outcome.further_faults} more"] if outcome.further_faults else []
    again = f"  again: make attack ARGS='--seed {block.seed} --only \"{block.name}\"'"
    return "\n".join((*outcome.faults, *more, again))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description="Try to break every endpoint.")
    parser.add_argument("--cases", type=int, default=plan.WHOLE, help="in all (50,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the cases (1)")
    parser.add_argument("--only", metavar="NAME", default="", help="the blocks whose names contain this; no table")
    parser.add_argument("--jobs", type=int, default=2, help="stacks at a time (2)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
