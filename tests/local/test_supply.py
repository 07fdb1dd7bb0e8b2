"""What the project is made of: advisories that may wait, and licences that fit."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from local import audit, licences
from local.processes import LocalError

TODAY = date(2026, 11, 25)
ENTRY = '[[allowed]]\nid = "GHSA-aaaa-bbbb-cccc"\nuntil = {until}\nwhy = "Not used."\n'
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
