"""`python -m benchmarks [NAME…] [--quick]`: measures, prints a report, keeps it. The names are in NAMES.

Exit status 0 only if every target was met.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import claim, create, dial_rate, report, sync, utilisation

NAMES = ("utilisation", "dial_rate", "sync", "create", "claim")


def main() -> int:
    options = _options()
    sections, met = [f"# Benchmarks\n\n{report.machine()}"], True
    for name in options.names or NAMES:
        if name == "utilisation":
            text, is_met = utilisation.run(1 if options.quick else 3)
        elif name == "sync":
            text, is_met = sync.run(*((5_000, 50_000) if options.quick else (50_000, 1_000_000)))
        elif name == "create":
            text, is_met = create.run(3 if options.quick else 7)
        elif name == "claim":
            text, is_met = claim.run(*((50_000, 45_000, 15) if options.quick else (1_000_000, 900_000, 30)))
        else:
            text, is_met = dial_rate.run(2 if options.quick else 7)
        print(f"{text}\n", flush=True)
        sections.append(text)
        met = met and is_met
    print(f"The report is in {report.write(sections)}.")
    return 0 if met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, beside the simple way.")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=" or ".join(NAMES))
    parser.add_argument(
        "--quick", action="store_true", help="a minute, two pairs, 5,000 and 50,000 calls, 50,000 contacts"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
