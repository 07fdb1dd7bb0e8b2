"""`python -m local audit`: known vulnerabilities in what the locks name, without those that audit.toml lets pass."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from local.processes import ROOT, LocalError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Iterator

FILE = ROOT / "audit.toml"
# The larger of the two locks holds all that the other one does. Where both look things up, their own variables say:
# PIP_AUDIT_VULNERABILITY_SERVICE, PIP_AUDIT_OSV_URL, npm_config_registry.
PIP_AUDIT = [
    *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
    *("--format", "json", "--aliases", "on", "--desc", "on", "--requirement", "requirements-dev.lock"),
]
NPM_AUDIT = ["npm", "audit", "--json"]
TIMEOUT_SECONDS = 300
SHOWN = 120  # characters of a description


@dataclass(frozen=True)
class Allowed:
    """An advisory that may wait until a day, and why."""

    id: str
    until: date
    why: str


def run(_args: Namespace) -> int:
    """Print what is found; 0 only if nothing counts. Raises LocalError where an audit could not be made."""
    ids = [entry.id for entry in allowed(FILE.read_text(), datetime.now(UTC).date())]
    findings = [*pip_findings(report_of("pip-audit", PIP_AUDIT), ids), *npm_findings(report_of("npm", NPM_AUDIT), ids)]
    print("\n".join(findings) or "No known vulnerabilities found")
    return int(bool(findings))


def allowed(text: str, today: date) -> list[Allowed]:
    """The entries of audit.toml; raises LocalError for one that is not whole, or whose day has come."""
    entries: list[dict[str, Any]] = tomllib.loads(text).get("allowed", [])
    found: list[Allowed] = []
    for entry in entries:
        if set(entry) != {"id", "until", "why"} or not isinstance(entry["until"], date):
            raise LocalError("audit.toml: an entry has an id, a day (until = 2027-01-31) and a reason (why), no more.")
        if entry["until"] <= today:
            raise LocalError(f"audit.toml: the time of {entry['id']} was over on {entry['until']}; look at it again.")
        found.append(Allowed(**entry))
    return found


def pip_findings(report: dict[str, Any], ids: Collection[str]) -> Iterator[str]:
    """The advisories of `pip-audit --format json` that are not allowed.

    Raises LocalError for a package that could not be looked up: nothing is known of it, which is no good news.
    """
    for package in report["dependencies"]:
        if "skip_reason" in package:
            raise LocalError(f"pip-audit could not make an audit: {package['skip_reason']}")
        for found in package["vulns"]:
            if not {found["id"], *found["aliases"]} & set(ids):
                yield f"{found['id']} {package['name']}: {found['description'][:SHOWN]}"


def npm_findings(report: dict[str, Any], ids: Collection[str]) -> Iterator[str]:
    """The advisories of `npm audit --json` that are not allowed; raises LocalError for a report that is none."""
    if "vulnerabilities" not in report:
        raise LocalError(f"npm could not make an audit: {report.get('message') or report.get('error') or report}")
    seen = {
        (advisory["url"].rsplit("/", 1)[-1], name, advisory["title"])
        for name, vulnerable in report["vulnerabilities"].items()
        for advisory in vulnerable["via"]
        if not isinstance(advisory, str)  # a name: the advisory stands with the package of that name
    }
    for id_, name, title in sorted(seen):
        if id_ not in ids:
            yield f"{id_} {name}: {title}"


def report_of(auditor: str, command: list[str]) -> dict[str, Any]:
    """What an auditor prints, as JSON. Raises LocalError with its last line where that is none.

    Both exit alike where they found something and where they could not look.
    """
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LocalError(f"{auditor} could not make an audit: {last}") from None
