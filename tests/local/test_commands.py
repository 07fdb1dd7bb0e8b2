"""`python -m local …`, as somebody types it."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from local import running
from local.__main__ import main
from local.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running stack."""
    folder = tmp_path_factory.mktemp("up")
    [port] = free_ports(1)
    assert main(["--folder", str(folder), "up", "--port", str(port), "--every", "3600s"]) == 0
    yield folder
    assert main(["--folder", str(folder), "down"]) == 0


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Runs a command in a folder; answers its exit status, what it printed, what it complained."""
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def run(folder: Path, *words: str) -> tuple[int, str, str]:
        status = main(["--folder", str(folder), *words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_the_settings_are_written_for_the_owner_alone(up: Path) -> None:
    env = running.read_env(up)

    assert env.keys() >= {
        *("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL", "FUNCTIONS_URL"),
        *("ULTRAVOX_BASE_URL", "AWS_ENDPOINT_URL", "DEMO_AGENCY_ID", "DEMO_WEBHOOK_SECRET"),
        *("DEMO_API_KEY", "DEMO_API_SECRET"),
        *("DEMO_AGENT_MAPPING_ID", "DEMO_CAMPAIGN_ID", "DEMO_FROM_NUMBER"),
    }
    assert stat.S_IMODE((up / "env").stat().st_mode) == 0o600


def test_up_is_content_with_what_runs(up: Path, type_in: Type) -> None:
    before = running.require(up)

    status, printed, _ = type_in(up, "up")

    assert status == 0
    assert printed.startswith("The stack already runs.")
    assert running.read_env(up)["SUPABASE_URL"] in printed
    assert running.require(up) == before


def test_status_names_every_part(up: Path, type_in: Type) -> None:
    status, printed, _ = type_in(up, "status")

    assert status == 0
    for name, pid in running.require(up).parts.items():
        assert f"{name:10} process {pid}\n" in printed


def test_token_prints_a_token_of_the_user(up: Path, type_in: Type) -> None:
    status, printed, _ = type_in(up, "token", "member@acme.test")

    claims: dict[str, Any] = jwt.decode(printed.strip(), options={"verify_signature": False})
    assert (status, claims["email"]) == (0, "member@acme.test")


def test_an_unknown_user_is_told_the_known_ones(up: Path, type_in: Type) -> None:
    status, _, complaint = type_in(up, "token", "who@acme.test")

    assert status == 1
    assert complaint.startswith("There is no user who@acme.test; the demo users are owner@acme.test, ")


def test_invoke_runs_a_function_and_prints_its_answer(up: Path, type_in: Type) -> None:
    status, printed, _ = type_in(up, "invoke", "calls-batch-list", "--as", "owner@acme.test", "--query", "limit=7")

    answer = json.loads(printed)
    assert (status, answer["statusCode"]) == (0, 200), answer
    assert answer["body"]["pagination"]["limit"] == 7


def test_invoke_takes_a_body(up: Path, type_in: Type, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"batch_id": "no id"}')

    _, printed, _ = type_in(
        up, "invoke", "calls-batch-pause", "--as", "owner@acme.test", "--body", f"@{tmp_path}/body.json"
    )

    answer = json.loads(printed)
    assert answer["statusCode"] == 400
    assert "batch_id" in answer["body"]["error"]


def test_invoke_runs_a_processor_as_the_schedule_does(up: Path, type_in: Type) -> None:
    status, printed, _ = type_in(up, "invoke", "calls-batch-process")

    assert (status, json.loads(printed)) == (0, {"processed": 0, "message": "No batches to process"})


def test_why_reads_the_running_stack(up: Path, type_in: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delitem(os.environ, name, raising=False)
    env = running.read_env(up)
    body = {
        "agent_mapping_id": env["DEMO_AGENT_MAPPING_ID"],
        "campaign_id": env["DEMO_CAMPAIGN_ID"],
        "from_number": env["DEMO_FROM_NUMBER"],
        "contacts": [{"phone_number": "+12125550142"}],
    }
    type_in(up, "invoke", "calls-batch-create", "--as", "owner@acme.test", "--body", json.dumps(body))
    for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delitem(os.environ, name)

    status, printed, _ = type_in(up, "why", "+12125550142")

    assert status == 0
    assert printed.startswith("+12125550142\n")
    assert "created         by owner@acme.test." in printed


def test_an_unknown_function_is_told_the_known_ones(up: Path, type_in: Type) -> None:
    status, _, complaint = type_in(up, "invoke", "calls-batch-lost")

    assert status == 1
    assert complaint.startswith("There is no function calls-batch-lost; there are ")
    assert "calls-batch-list" in complaint


def test_logs_shows_the_last_lines_of_a_part(up: Path, type_in: Type) -> None:
    status, printed, _ = type_in(up, "logs", "postgres", "--lines", "1")

    assert status == 0
    assert printed.startswith(f"==> {up}/logs/postgres.log <==\n")
    assert len(printed.splitlines()) == 3


def test_reset_makes_a_fresh_database_under_the_same_address(up: Path, type_in: Type) -> None:
    url = running.read_env(up)["SUPABASE_URL"]
    _, first, _ = type_in(up, "token", "owner@acme.test")

    assert type_in(up, "reset")[:2] == (0, "The database is fresh.\n")

    assert running.read_env(up)["SUPABASE_URL"] == url
    _, second, _ = type_in(up, "token", "owner@acme.test")
    assert first != second


@pytest.mark.parametrize("words", [("status",), ("token", "owner@acme.test"), ("invoke", "calls-batch-list")])
def test_what_needs_a_running_stack_says_so(tmp_path: Path, type_in: Type, words: tuple[str, ...]) -> None:
    assert type_in(tmp_path, *words) == (1, "", "No stack runs; `make up` starts one.\n")


def test_down_is_content_when_nothing_runs(tmp_path: Path, type_in: Type) -> None:
    assert type_in(tmp_path, "down") == (0, "No stack runs.\n", "")
