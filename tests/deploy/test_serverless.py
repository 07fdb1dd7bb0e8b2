"""What `npx serverless` does without an account: print, invoke local, offline; `package` the template's tests try."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.processes import ROOT, Part, free_ports
from tests.calling import FUNCTIONS, event
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from local.stack import Stack
    from tests.factories import Connection
    from tests.functions.conftest import Sign

SERVERLESS = str(ROOT / "node_modules/.bin/serverless")
SECONDS = 120  # more than a few only where the machine has much else to do


def environment(folder: Path, **further: str) -> dict[str, str]:
    """No account, no profile; the Python that has the dependencies first."""
    return {"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}", "HOME": str(folder), **further}


def serverless(*arguments: str, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        [SERVERLESS, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def settings(stack: Stack) -> dict[str, str]:
    return environment(stack.folder, **{name: value for name, value in stack.env.items() if name != "DATABASE_URL"})


@pytest.fixture(scope="module")
def offline(settings: dict[str, str], folder: Path) -> Iterator[str]:
    """serverless-offline on a free port: API Gateway and Lambda as that project stands in for them."""
    ports = free_ports(3)
    options = zip(("--httpPort", "--lambdaPort", "--websocketPort"), map(str, ports), strict=True)
    command = [SERVERLESS, "offline", *(word for option in options for word in option)]
    part = Part("offline", command, folder / "offline.log", "Server ready", settings)
    part.start()
    try:
        part.wait_ready(SECONDS)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        part.signal_stop()
        part.join()


def test_print_shows_a_stage_without_a_word_left_open(folder: Path) -> None:
    shown = json.loads(serverless("print", "--stage", "dev", "--format", "json", env=environment(folder)))
    provider: dict[str, Any] = shown["provider"]

    assert shown["functions"].keys() == FUNCTIONS.keys()
    assert (shown["custom"]["fanOut"], provider["logRetentionInDays"]) == (False, 30)
    assert provider["environment"]["STAGE"] == "dev"
    assert not re.findall(r"\$\{(?:env|opt|param|self|sls|file):?", json.dumps({**shown, "params": None}))


def test_invoke_local_answers_a_person(settings: dict[str, str], db: Connection, sign: Sign) -> None:
    asked = event("calls-batch-list", sign(World(db).agency.owner))

    said = serverless("invoke", "local", "--function", "calls-batch-list", "--data", json.dumps(asked), env=settings)

    answer = json.loads(said[said.index('{\n    "statusCode"') :])
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["batches"] == []


def test_offline_answers_a_person_over_http(offline: str, folder: Path, db: Connection, sign: Sign) -> None:
    token = sign(World(db).agency.owner)

    with httpx.Client(base_url=offline, timeout=SECONDS, trust_env=False) as client:
        stranger = client.get("/calls-batch-list")
        owner = client.get("/calls-batch-list", headers={"authorization": f"Bearer {token}"})

    assert (stranger.status_code, owner.status_code) == (401, 200), stranger.text
    assert owner.json()["batches"] == []
    assert "Starting Offline" in (log := (folder / "offline.log").read_text())
    assert "Scheduling" not in log  # the processors are the local stack's
