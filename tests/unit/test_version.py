"""What the bundle says of itself is what the repository says."""

from __future__ import annotations

import tomllib

from local.processes import ROOT
from shared.version import SCHEMA_VERSION, VERSION


def test_the_version_is_the_projects() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_the_database_that_is_needed_has_the_newest_migration() -> None:
    newest = max(path.name for path in (ROOT / "sql/migrations").glob("*.sql"))

    assert newest.partition("_")[0] == SCHEMA_VERSION, "shared/version.py names the newest migration"
