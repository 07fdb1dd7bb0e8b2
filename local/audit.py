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


@dataclass(frozen=True)
class Allowed:
    """An advisory that may wait until a day, and why."""

    id: str
    until: date
    why: str


def run(_args: Namespace) -> int:
    """Print what is found; 0 only if nothing counts. Raises LocalError where an audit could not be made."""
    ids = [entry.id for entry in allowed(FILE.read_text(), datetime.now(UTC).date())]
    return max(_audit_python(ids), _audit_npm(ids))


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


def _audit_python(ids: list[str]) -> int:
    ignored = [argument for id_ in ids for argument in ("--ignore-vuln", id_)]
    lock = ROOT / "requirements.lock"
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes", "-r", lock, *ignored]
    return subprocess.run(command, check=False).returncode


def _audit_npm(ids: list[str]) -> int:
    command = ["npm", "audit", "--json"]
    answered = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    try:
        findings = list(npm_findings(json.loads(answered.stdout), ids))
    except ValueError as error:
        raise LocalError("npm could not make an audit.") from error
    print("\n".join(findings) or "npm: no known vulnerabilities found")
    return int(bool(findings))
