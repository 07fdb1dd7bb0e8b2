"""What a function costs before its first answer, beside the same function over the umbrella client of Supabase.

Both are run from the package that is deployed, unpacked: `make package` for this machine's platform, all of it compiled
beforehand into hash-based bytecode. The counterpart's has the same handlers and the same modules, and of its own what
`supabase` needs and a database.py that is written with it (benchmarks/umbrella). A fresh process imports the handler as
Lambda does, by name, and answers one request on a stack that runs; what a process costs that imports nothing is taken
off. One after the other in pairs, so that a machine that is busy with something else is so for both.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.first_requests import FirstRequests
from benchmarks.ground import ground
from benchmarks.report import table
from local import package
from local.functions import load
from local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from local.functions import Event

TARGET = 0.6
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}
SECONDS = 60  # for one process
STANDARD = "standard library"
FUNCTIONS = load()
CALLED = [name for name, function in FUNCTIONS.items() if function.routes]
# Of each kind one: read by a person, written by one, asked by a program, told by the provider, run by a schedule.
KINDS = ("calls-batch-list", "calls-batch-create", "batch-call-get", "webhook-ingest", "calls-batch-process")
# Nothing of this machine's own packages: the standard library and the package, as in a container.
PYTHON = (sys.executable, "-I", "-S", "-B")
START = """
import sys, time
def mark():
    marks.append((time.monotonic(), time.process_time()))
marks = []
sys.path.insert(0, sys.argv[1])
if len(sys.argv) > 2:
    from importlib import import_module
    main = import_module(f"functions.{sys.argv[2]}.handler").main
mark()
import json
if len(sys.argv) > 3:
    event = json.loads(sys.argv[3])
    mark()
    answer = main(event, None)
    mark()
    assert answer["statusCode"] < 300, answer
print("\\n" + json.dumps(marks))
"""


@dataclass(frozen=True)
class Cost:
    """Milliseconds on the clock and of the processor."""

    wall: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


@dataclass(frozen=True)
class Start:
    """One process: until the handler was there, and until it had answered (0 where it was asked nothing)."""

    imported: Cost
    answered: Cost


@dataclass(frozen=True)
class Compared:
    """Medians of ours and of the counterpart's, and the median of the ratios of pairs."""

    ours: Cost
    theirs: Cost
    ratio: Cost

    @classmethod
    def of(cls, pairs: Sequence[tuple[Cost, Cost]]) -> Compared:
        ratios = [Cost(ours.wall / theirs.wall, ours.cpu / theirs.cpu) for ours, theirs in pairs]
        return cls(_median([ours for ours, _ in pairs]), _median([theirs for _, theirs in pairs]), _median(ratios))

    def cells(self) -> tuple[str, str, str, str]:
        ours, theirs = (f"{one.wall:.0f} / {one.cpu:.0f}" for one in (self.ours, self.theirs))
        return ours, theirs, f"{self.ratio.wall:.2f}", f"{self.ratio.cpu:.2f}"


@dataclass(frozen=True)
class Figures:
    """Of one function; `answered` is None where nobody calls it."""

    name: str
    imported: Compared
    answered: Compared | None

    @property
    def is_met(self) -> bool:
        return max(self.imported.ratio.wall, self.imported.ratio.cpu) <= TARGET

    def row(self) -> tuple[str, ...]:
        return (self.name, *self.imported.cells(), *(self.answered.cells() if self.answered else ("",) * 4))


def run(pairs: int, functions: Sequence[str] = tuple(FUNCTIONS)) -> tuple[str, bool]:
    """The section of the report, and whether every function that somebody calls met the target.

    Of each function one pair more is run first and forgotten.
    """
    with tempfile.TemporaryDirectory(prefix="batchline-cold-") as name, ground() as place:
        ours, umbrella = _packages(Path(name))
        requests = FirstRequests(place)
        bare = _median([_process(ours).imported for _ in range(2 * pairs + 1)])
        measured: list[Figures] = []
        for function in functions:
            started = [_pair(function, requests, ours, umbrella, first=n % 2) for n in range(pairs + 1)][1:]
            measured.append(_figures(function, started, bare))
            print(*measured[-1].row(), file=sys.stderr, flush=True)
        costs = {function: _by_package(ours, function) for function in KINDS}
        costs["umbrella"] = _by_package(umbrella, KINDS[0])
    called = [one for one in measured if one.name in CALLED]
    return _section(measured, called, costs, pairs), all(one.is_met for one in called)


def _packages(folder: Path) -> tuple[Path, Path]:
    archive = package.build(folder / "batchline.zip", MACHINES[platform.machine()])
    ours, umbrella = folder / "ours", folder / "umbrella"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(ours)  # our own
    shutil.copytree(ours, umbrella)
    for found in _required("supabase", set()):
        _copy(found, umbrella)
    shutil.copy(ROOT / "benchmarks/umbrella/database.py", umbrella / "shared")
    package.compile_and_zip(umbrella, folder / "umbrella.zip")
    return ours, umbrella


def _required(name: str, seen: set[str]) -> Generator[Distribution]:
    """A distribution and all that it needs, as they are installed here."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name not in seen:
        seen.add(name)
        with suppress(PackageNotFoundError):  # needed by another Python than this one
            found = distribution(name)
            yield found
            for requirement in found.requires or ():
                if "extra ==" not in requirement:
                    yield from _required(re.split(r"[^\w.-]", requirement)[0], seen)


def _copy(found: Distribution, folder: Path) -> None:
    """What the folder lacks of a distribution; the compiled files are made anew."""
    for file in found.files or ():
        target = folder / file
        if file.suffix != ".pyc" and ".." not in file.parts and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(str(file.locate())), target)


def _pair(function: str, requests: FirstRequests, ours: Path, umbrella: Path, *, first: int) -> tuple[Start, Start]:
    def started(folder: Path) -> Start:
        return _process(folder, function, requests.to(function) if function in CALLED else None)

    if first:
        return started(ours), started(umbrella)
    theirs = started(umbrella)
    return started(ours), theirs


def _process(folder: Path, function: str = "", event: Event | None = None) -> Start:
    arguments = [function, *([json.dumps(event)] if event else [])] if function else []
    began = time.monotonic()
    done = subprocess.run(
        [*PYTHON, "-c", START, folder, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{function}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    marks = [Cost(1000 * wall, 1000 * cpu) for wall, cpu in json.loads(done.stdout.splitlines()[-1])]
    answered = marks[2] - marks[1] if event else Cost(0, 0)
    return Start(marks[0] - Cost(1000 * began, 0), answered)


def _figures(function: str, started: Sequence[tuple[Start, Start]], bare: Cost) -> Figures:
    imported = [(ours.imported - bare, theirs.imported - bare) for ours, theirs in started]
    answered = [
        (before[0] + ours.answered, before[1] + theirs.answered)  # loading and answering
        for before, (ours, theirs) in zip(imported, started, strict=True)
    ]
    return Figures(function, Compared.of(imported), Compared.of(answered) if function in CALLED else None)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(median(one.wall for one in costs), median(one.cpu for one in costs))


def _by_package(folder: Path, function: str) -> Counter[str]:
    """Milliseconds that each top-level package took to load by itself, as the interpreter says; least of five."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); __import__(sys.argv[2])"
    command = [*PYTHON, "-X", "importtime", "-c", code, folder, f"functions.{function}.handler"]
    least: dict[str, int] = {}
    for _ in range(5):
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
        for took, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", done.stderr, re.MULTILINE):
            least[module] = min(int(took), least.get(module, sys.maxsize))
    found: Counter[str] = Counter()
    for module, took in least.items():
        top = module.partition(".")[0]
        found[STANDARD if top in sys.stdlib_module_names else top] += took
    return found


def _section(measured: Sequence[Figures], called: Sequence[Figures], costs: dict[str, Counter[str]], pairs: int) -> str:
    head = ("function", "import", "umbrella", "wall", "CPU", "first answer", "umbrella", "wall", "CPU")
    worst = max(called, key=lambda one: one.imported.ratio.cpu)
    verdict = "met" if all(one.is_met for one in called) else "MISSED"
    middle = Cost(*(median(getattr(one.imported.ratio, kind) for one in called) for kind in ("wall", "cpu")))
    return "\n\n".join((
        "## Cold start",
        f"Milliseconds on the clock / of the processor; ratios are medians of {pairs} pairs. Platform: "
        f"{platform.machine()} (arm64 is deployed).",
        table(head, [one.row() for one in measured]),
        f"Import, of functions that somebody calls: median {middle.wall:.2f} on the clock, {middle.cpu:.2f} of the "
        f"processor; most {worst.imported.ratio.cpu:.2f} ({worst.name}); target at most {TARGET}: {verdict}.",
        "What loads how long, in ms (`-X importtime`, each module's own, the least of five):",
        table(("package", *KINDS, f"{KINDS[0]}, umbrella"), _rows(list(costs.values()))),
    ))  # fmt: skip


def _rows(costs: Sequence[Counter[str]]) -> Iterable[tuple[str, ...]]:
    packages = sorted({name for cost in costs for name in cost}, key=lambda name: -max(cost[name] for cost in costs))
    for name in packages:
        if any(cost[name] >= 1000 for cost in costs):
            yield name, *(f"{cost[name] / 1000:.1f}" if name in cost else "" for cost in costs)
    yield "all", *(f"{cost.total() / 1000:.1f}" for cost in costs)
