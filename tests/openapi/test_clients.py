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

PROGRAMS = dict(
    re.findall(r"^```(bash|python|js)\n(.+?)^```$", (ROOT / "docs/clients.md").read_text(), re.MULTILINE | re.DOTALL)
)
# Node finds packages from the folder it runs in when the program comes from its standard input.
RUN = {
    "bash": ["bash", "-s"],
    "python": [sys.executable, "-W", "error", "-"],
    "js": ["node", "--input-type=module", "-"],
}


def test_there_is_a_program_in_each_language() -> None:
    assert set(PROGRAMS) == set(RUN)


@pytest.mark.parametrize("language", RUN)
def test_a_program_runs_as_it_stands_and_does_what_it_says(language: str, stack: Stack, db: Connection) -> None:
    ran = run(language, stack.env)

    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.strip().splitlines()[-1].split()
    assert said[0] == "cancelled"
    row = db.execute(
        "select status, started_at, total_contacts, agency_id::text from call_batches where id = %s", [said[1]]
    ).fetchone()
    assert row == ("cancelled", None, 2, ACME.id)


@pytest.mark.parametrize("language", RUN)
def test_a_program_says_why_it_was_refused_and_fails(language: str, stack: Stack) -> None:
    ran = run(language, {**stack.env, "DEMO_FROM_NUMBER": "+12125550150"})

    assert ran.returncode != 0
    assert "from_number: not an active phone number of the user's agency" in ran.stdout + ran.stderr


def run(language: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, with the stack's settings."""
    return subprocess.run(
        RUN[language],
        input=PROGRAMS[language],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
    )
