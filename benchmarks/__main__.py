"""`python -m benchmarks [NAME …] [--quick]`: measures, prints a report, keeps it. The names are below.

Exit status 0 only if every target was met.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarks import (
    abuse,
    claim,
    cold_start,
    costs,
    create,
    dial_rate,
    fanout,
    lists,
    messages,
    report,
    scaling,
    sync,
    utilisation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHMARKS: dict[str, Callable[[bool], tuple[str, bool]]] = {
    "utilisation": lambda quick: utilisation.run(1 if quick else 3),
    "dial_rate": lambda quick: dial_rate.run(2 if quick else 7),
    "sync": lambda quick: sync.run(*((5_000, 50_000) if quick else (50_000, 1_000_000))),
    "create": lambda quick: create.run(3 if quick else 7),
    "claim": lambda quick: claim.run(*((50_000, 45_000, 15) if quick else (1_000_000, 900_000, 30))),
    "lists": lambda quick: lists.run(*((50_000, 20_000) if quick else (1_000_000, 200_000))),
    "fanout": lambda quick: fanout.run(*((40, 2) if quick else (500, 3))),
    "abuse": lambda quick: abuse.run(*((1, 15) if quick else (3, 20))),
    "messages": lambda quick: messages.run(12 if quick else 60),
    "scaling": lambda quick: scaling.run(),  # noqa: ARG005 - there is no shorter one
    "costs": lambda quick: costs.run(1_000 if quick else 5_000),
    "cold_start": lambda quick: cold_start.run(3, cold_start.KINDS) if quick else cold_start.run(11),
}


def main() -> int:
    options = _options()
    sections, met = [f"# Benchmarks\n\n{report.machine()}"], True
    for name in options.names or BENCHMARKS:
        text, is_met = BENCHMARKS[name](options.quick)
        print(f"{text}\n", flush=True)
        sections.append(text)
        met = met and is_met
    print(f"The report is in {report.write(sections)}.")
    return 0 if met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, beside the simple way.")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=" or ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="smaller: minutes instead of hours in all")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
