"""The stack as a whole: it starts, it serves, and it leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from localstack_client.session import Session  # pyright: ignore[reportMissingTypeStubs]

from local import running, supervisor
from local.aws import REGION
from local.demo_data import ACME, AGENCIES
from local.keys import load_or_make
from local.processes import LocalError, free_ports
from local.stack import Ports, Stack
from tests.local.observed import eventually, processes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.running import Running


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Running]:
    """A stack in the background, as `make up` starts one."""
    supervisor.launch(tmp_path, first_port=0, every=0)
    found = running.require(tmp_path)
    yield found
    running.stop(found, tmp_path)


def test_the_secrets_of_the_demo_agencies_are_in_the_parameter_store(stack: Stack) -> None:
    known = load_or_make(stack.folder / "keys.json")
    session: Any = Session("test", "test", region_name=REGION)
    client = session.client("ssm")

    for agency in AGENCIES:
        path = f"/batchline/{stack.env['STAGE']}/agencies/{agency.id}"
        found = client.get_parameters_by_path(Path=path, WithDecryption=True)["Parameters"]

        assert {(parameter["Name"], parameter["Type"], parameter["Value"]) for parameter in found} == {
            (f"{path}/ultravox-api-key", "SecureString", known.agencies[agency.slug].ultravox_api_key),
            (f"{path}/ultravox-webhook-secret", "SecureString", known.agencies[agency.slug].webhook_secret),
        }


def test_the_simulator_knows_the_demo_agencies_by_the_same_keys(stack: Stack) -> None:
    key = load_or_make(stack.folder / "keys.json").agencies[ACME.slug].ultravox_api_key

    agents = httpx.get(f"{stack.simulator_url}/api/agents", headers={"X-API-Key": key}).json()["results"]

    assert [agent["agentId"] for agent in agents] == [ACME.ultravox_agent_id]


def test_files_with_secrets_are_the_owners_alone(stack: Stack) -> None:
    for name in ("keys.json", "jwks.json", "postgrest.conf", "simulator.json"):
        assert (stack.folder / name).stat().st_mode & 0o077 == 0, name


def test_nothing_is_left_after_the_block(tmp_path: Path) -> None:
    with Stack(tmp_path, schedule_every=3600, durable=False) as stack:
        assert len(processes_of(tmp_path)) > len(stack.parts) == 6

    assert processes_of(tmp_path) == set()


def test_the_end_of_any_part_is_the_end_of_all_and_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"^simulator was killed by SIGKILL; its last words are in .*simulator\.log: "):
        lose("simulator", tmp_path)

    assert processes_of(tmp_path) == set()


def lose(part: str, folder: Path) -> None:
    with Stack(folder, durable=False) as stack:
        stack.parts[part].kill()
        stack.wait()


def test_a_part_that_cannot_start_is_named_and_the_others_end(tmp_path: Path) -> None:
    with (
        pytest.raises(LocalError, match=r"^simulator ended with status \d+; its last words are in "),
        Stack(tmp_path, durable=False, simulator_config={"no_such_setting": 1}),
    ):
        pytest.fail("It started.")

    assert processes_of(tmp_path) == set()


def test_two_stacks_do_not_share_a_folder(stack: Stack) -> None:
    with pytest.raises(LocalError, match="A stack already runs in"), Stack(stack.folder):
        pytest.fail("It started.")


def test_a_taken_port_is_named_with_its_part_and_the_way_out() -> None:
    [first] = free_ports(1)
    with closing(socket.create_server(("127.0.0.1", first + 3))):
        sentence = f"^Port {first + 3}, which the simulator needs, is taken by another program: .*--port N"

        with pytest.raises(LocalError, match=sentence):
            Ports.starting_at(first)


def test_a_stack_in_the_background_ends_when_it_is_told_to(background: Running, tmp_path: Path) -> None:
    assert processes_of(tmp_path) >= {background.pid, *background.parts.values()}

    running.stop(background, tmp_path)

    assert eventually(lambda: processes_of(tmp_path) == set()), processes_of(tmp_path)
    assert running.find(tmp_path) is None


def test_no_part_outlives_a_supervisor_that_is_killed(background: Running, tmp_path: Path) -> None:
    os.kill(background.pid, signal.SIGKILL)

    assert eventually(lambda: processes_of(tmp_path) == set()), processes_of(tmp_path)
    assert running.find(tmp_path) is None


def test_the_supervisor_ends_when_a_part_is_killed(background: Running, tmp_path: Path) -> None:
    os.kill(background.parts["postgres"], signal.SIGKILL)

    assert eventually(lambda: processes_of(tmp_path) == set()), processes_of(tmp_path)
    assert "postgres was killed by SIGKILL" in (tmp_path / "supervisor.log").read_text()
