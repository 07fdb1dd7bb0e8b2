"""What the project is made of: advisories that may wait, and licences that fit."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from argparse import Namespace
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local import audit, licences
from local.processes import ROOT, LocalError
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import Asked

TODAY = date(2026, 11, 25)
ENTRY = '[[allowed]]\nid = "GHSA-aaaa-bbbb-cccc"\nuntil = {until}\nwhy = "Not used."\n'
FINDINGS = {"pip-audit": audit.pip_findings, "npm": audit.npm_findings}
OF_OTHER_SYSTEMS = {"colorama", "pywin32"}  # which pip-audit leaves out, as pip would
ADVISORY = {"url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc", "title": "Something is wrong"}


def report(*via: Any) -> dict[str, Any]:
    """As npm 10 writes it."""
    return {"auditReportVersion": 2, "vulnerabilities": {"ws": {"name": "ws", "severity": "high", "via": list(via)}}}


def test_the_list_of_what_may_wait_is_in_order() -> None:
    audit.allowed(audit.FILE.read_text(), TODAY)


def test_an_advisory_may_wait_until_its_day() -> None:
    (entry,) = audit.allowed(ENTRY.format(until="2026-11-26"), TODAY)
    assert (entry.id, entry.why) == ("GHSA-aaaa-bbbb-cccc", "Not used.")

    with pytest.raises(LocalError, match=r"the time of GHSA-aaaa-bbbb-cccc was over on 2026-11-25"):
        audit.allowed(ENTRY.format(until="2026-11-25"), TODAY)


@pytest.mark.parametrize(
    "text", ['[[allowed]]\nid = "x"', ENTRY.format(until='"soon"'), ENTRY.format(until="2027-01-01\nx = 1")]
)
def test_an_entry_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(LocalError, match=r"audit\.toml: an entry has an id, a day"):
        audit.allowed(text, TODAY)


def test_what_npm_finds_counts_unless_it_may_wait() -> None:
    found = report(ADVISORY, "another-package")

    assert list(audit.npm_findings(found, [])) == ["GHSA-aaaa-bbbb-cccc ws: Something is wrong"]
    assert list(audit.npm_findings(found, ["GHSA-aaaa-bbbb-cccc"])) == []


def test_an_audit_that_was_not_made_is_no_good_news() -> None:
    with pytest.raises(LocalError, match=r"npm could not make an audit: request to"):
        list(audit.npm_findings({"message": "request to the registry failed"}, []))


def test_what_pip_audit_finds_counts_unless_it_may_wait_under_one_of_its_names() -> None:
    found = {"id": "PYSEC-2030-1", "aliases": ["GHSA-aaaa-bbbb-cccc"], "description": "Something is wrong"}
    report: dict[str, Any] = {"dependencies": [{"name": "httpx", "vulns": [found]}, {"name": "pydantic", "vulns": []}]}

    assert list(audit.pip_findings(report, [])) == ["PYSEC-2030-1 httpx: Something is wrong"]
    assert list(audit.pip_findings(report, ["PYSEC-2030-1"])) == []
    assert list(audit.pip_findings(report, ["GHSA-aaaa-bbbb-cccc"])) == []


def test_a_package_that_could_not_be_looked_up_is_no_good_news() -> None:
    skipped = {"dependencies": [{"name": "httpx", "skip_reason": "httpx was not found"}]}
    with pytest.raises(LocalError, match=r"^pip-audit could not make an audit: httpx was not found$"):
        list(audit.pip_findings(skipped, []))


@dataclass
class Advisers:
    """What the two auditors ask, over HTTP on this machine: known vulnerabilities by package."""

    python: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    npm: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    asked_for: set[str] = field(default_factory=set[str])

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        if asked.method == "GET":  # npm would like to know which other versions there are
            return 404, b"{}"
        if asked.path == "/osv":
            name = json.loads(asked.body)["package"]["name"]
            self.asked_for.add(name)
            return 200, json.dumps({"vulns": [self.python[name]]} if name in self.python else {}).encode()
        named = json.loads(gzip.decompress(asked.body))
        self.asked_for |= set(named)
        return 200, json.dumps({name: [found] for name, found in self.npm.items() if name in named}).encode()


@pytest.fixture
def advisers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Advisers]:
    advisers = Advisers()
    with serving(advisers.answer) as served:
        monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
        monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"{served.url}/osv")
        monkeypatch.setenv("npm_config_registry", served.url)
        monkeypatch.setenv("npm_config_cache", str(tmp_path))
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        yield advisers


def of_python(id_: str, name: str) -> dict[str, Any]:
    """As OSV writes it."""
    return {"id": id_, "summary": "It is wrong", "affected": [{"package": {"name": name, "ecosystem": "PyPI"}}]}


def test_all_that_the_locks_name_is_looked_up_and_what_is_found_and_may_not_wait_fails_the_audit(
    advisers: Advisers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    advisers.python |= {name: of_python(f"PYSEC-{name}", name) for name in ("httpx", "moto")}
    of_npm = {**ADVISORY, "id": 1, "severity": "high", "vulnerable_versions": "*"}
    advisers.npm |= {"osls": of_npm, "serverless-offline": of_npm | {"url": "https://example.com/GHSA-may-wait"}}
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    monkeypatch.setattr(audit, "FILE", tmp_path / "audit.toml")
    entries = [ENTRY.replace("GHSA-aaaa-bbbb-cccc", id_) for id_ in ("PYSEC-moto", "GHSA-may-wait")]
    audit.FILE.write_text("".join(entries).format(until=tomorrow))

    assert audit.run(Namespace()) == 1
    assert capsys.readouterr().out.splitlines() == [
        "PYSEC-httpx httpx: It is wrong",
        "GHSA-aaaa-bbbb-cccc osls: Something is wrong",
    ]
    locked = (ROOT / "requirements-dev.lock").read_text() + (ROOT / "requirements.lock").read_text()
    assert set(re.findall(r"^([a-z0-9][\w.-]*)==", locked, re.MULTILINE)) - advisers.asked_for <= OF_OTHER_SYSTEMS
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    names = {one.get("name") or path.rpartition("node_modules/")[2] for path, one in packages.items() if path}
    assert names <= advisers.asked_for


@pytest.mark.parametrize(
    ("auditor", "command", "asks"),
    [
        ("pip-audit", audit.PIP_AUDIT, "PIP_AUDIT_OSV_URL"),
        ("npm", audit.NPM_AUDIT, "npm_config_registry"),
    ],
)
@pytest.mark.usefixtures("advisers")
def test_where_nobody_can_be_asked_the_audit_says_so_in_a_line(
    auditor: str, command: list[str], asks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(asks, "http://127.0.0.1:9")  # discard: nothing listens

    with pytest.raises(LocalError, match=rf"^{auditor} could not make an audit: .{{1,300}}$"):
        list(FINDINGS[auditor](audit.report_of(auditor, command), []))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_python_package_is_held_to_its_hashes(name: str) -> None:
    packages = re.split(r"^(?=[a-z0-9][\w.-]*==)", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]

    assert [one.split()[0] for one in packages if not re.search(r"--hash=sha256:[0-9a-f]{64}", one)] == []
    assert "--require-hashes" in (ROOT / "Makefile").read_text()


def test_every_npm_package_is_held_to_its_hash() -> None:
    packages: dict[str, Any] = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert [name for name, one in packages.items() if name and not one.get("integrity", "").startswith("sha512-")] == []


def test_the_linters_rules_on_security_are_on() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    assert "S" in configured["select"]
    assert not [rule for rule in configured.get("ignore", []) if rule.startswith("S") and rule[1:].isdigit()]


def test_every_licence_fits_and_is_listed() -> None:
    listed = licences.FILE.read_text().splitlines()

    assert [line for line in licences.text().splitlines() if line not in listed] == []


@pytest.mark.parametrize("said", ["", "Proprietary", "GPL-3.0-only", "MIT AND GPL-3.0-only", "SSPL-1.0"])
def test_a_licence_that_does_not_fit_is_named(said: str) -> None:
    with pytest.raises(
        LocalError, match=rf"^left-pad is under {said or 'no licence that it names'}, which does not fit"
    ):
        licences.one_licence("left-pad", said, may_ship=False)


def test_what_is_shipped_is_held_to_more() -> None:
    assert licences.one_licence("psycopg", "LGPL-3.0-only", may_ship=False) == "LGPL-3.0-only"
    with pytest.raises(LocalError):
        licences.one_licence("psycopg", "LGPL-3.0-only", may_ship=True)
