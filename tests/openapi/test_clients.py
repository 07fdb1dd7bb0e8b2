"""The programs of docs/clients.md, run as they stand against the stack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.demo_data import ACME
from local.processes import ROOT

if TYPE_CHECKING:
    from local.stack import Stack
    from tests.factories import Connection

PARTS = dict(zip(("user", "key"), (ROOT / "docs/clients.md").read_text().split("\n## With an API key\n"), strict=True))
PROGRAMS = {
    who: dict(re.findall(r"^```(bash|python|js)\n(.+?)^```$", part, re.MULTILINE | re.DOTALL))
    for who, part in PARTS.items()
}
# Node finds packages from the folder it runs in when the program comes from its standard input.
RUN = {
    "bash": ["bash", "-s"],
    "python": [sys.executable, "-W", "error", "-"],
    "js": ["node", "--input-type=module", "-"],
}


@pytest.mark.parametrize("who", PARTS)
def test_there_is_a_program_in_each_language(who: str) -> None:
    assert set(PROGRAMS[who]) == set(RUN)


@pytest.mark.parametrize("language", RUN)
def test_a_users_program_runs_as_it_stands_and_does_what_it_says(language: str, stack: Stack, db: Connection) -> None:
    row = left_by("user", language, stack, db)

    assert row == {"said": "cancelled", "status": "cancelled", "is_deleted": False}


@pytest.mark.parametrize("language", RUN)
def test_a_program_with_a_key_runs_as_it_stands_and_does_what_it_says(
    language: str, stack: Stack, db: Connection
) -> None:
    row = left_by("key", language, stack, db)

    assert row == {"said": "deleted", "status": "draft", "is_deleted": True}


@pytest.mark.parametrize("who", PARTS)
@pytest.mark.parametrize("language", RUN)
def test_a_program_says_why_it_was_refused_and_fails(who: str, language: str, stack: Stack) -> None:
    ran = run(who, language, {**stack.env, "DEMO_FROM_NUMBER": "+12125550150"})

    assert ran.returncode != 0
    assert "from_number: not an active phone number of the user's agency" in ran.stdout + ran.stderr


def left_by(who: str, language: str, stack: Stack, db: Connection) -> dict[str, object]:
    """The last line's first word, and what has become of the batch that it names: Acme's two people, never called."""
    ran = run(who, language, stack.env)
    assert ran.returncode == 0, ran.stderr
    said, name = ran.stdout.strip().splitlines()[-1].split()
    row = db.execute(
        "select status, deleted_at is not null from call_batches "
        "where id = %s and started_at is null and total_contacts = 2 and agency_id = %s",
        [name.removeprefix("batch_call_"), ACME.id],
    ).fetchone()
    assert row
    return {"said": said, "status": row[0], "is_deleted": row[1]}


def run(who: str, language: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, with the stack's settings."""
    return subprocess.run(
        RUN[language],
        input=PROGRAMS[who][language],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
    )
