"""The simulator as a process: how it starts, how it ends, and how it is set up."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from local.simulator.client import running
from local.simulator.config import Config
from local.simulator.timers import Timers
from tests.local.customer import QUICK
from tests.processes import spawned

if TYPE_CHECKING:
    from pathlib import Path

    from local.simulator.client import Simulator
    from tests.local.customer import Customer

COMMAND = (sys.executable, "-m", "local.simulator")


def refused(*arguments: str) -> str:
    """What it says when it does not start."""
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_one_line_and_ends_at_once_with_status_0_when_told_to(ending: signal.Signals) -> None:
    with spawned([*COMMAND, "--seed", "7"], stderr=subprocess.PIPE) as one:
        assert one.stdout
        line = one.stdout.readline()
        url = line.removeprefix("simulator listening on ").strip()
        with httpx.Client(base_url=url) as client:
            assert client.get("/simulator/config").json()["seed"] == 7
            begun = time.monotonic()
            one.send_signal(ending)
            rest, complaints = one.communicate(timeout=10)
        assert time.monotonic() - begun < 5
        assert (one.returncode, rest, complaints) == (0, "", "")


def test_an_answer_that_is_being_delayed_does_not_hold_up_the_end() -> None:
    account = {"api_key": "k", "agents": [{"agentId": "a"}]}
    with running({"accounts": [account]}) as simulator:
        simulator.add_fault("slow_201", delay_seconds=60)
        begun = time.monotonic()
        with httpx.Client(base_url=simulator.base_url, timeout=0.1) as client, pytest.raises(httpx.ReadTimeout):
            client.post("/api/agents/a/calls", json={}, headers={"X-API-Key": "k"})
    assert time.monotonic() - begun < 20


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("--port", str(taken.getsockname()[1]))

    assert said.startswith("The simulator cannot start: ")
    assert "Address already in use" in said


def test_a_misspelt_setting_is_refused() -> None:
    assert "talk_second" in refused("--config", '{"people": {"talk_second": [1, 2]}}')


def test_the_configuration_can_come_from_a_file(tmp_path: Path) -> None:
    config = tmp_path / "simulator.json"
    config.write_text('{"page_size": 1000, "people": {"ring_seconds": [5, 1]}}')

    assert "the first bound is above the second" in refused("--config", f"@{config}")
    assert "No such file" in refused("--config", f"@{tmp_path}/another.json")


def test_a_patch_changes_what_it_names_and_replaces_maps_whole(provider: Simulator) -> None:
    before = provider.config()
    after = provider.configure(people={"outcomes": {"busy": 1}}, people_by_number={"+12135550123": {}})

    assert after["people"] == {**before["people"], "outcomes": {"busy": 1.0}}
    assert after["accounts"] == before["accounts"]
    assert provider.configure(**before) == before


def test_a_patch_that_makes_no_sense_changes_nothing(provider: Simulator) -> None:
    before = provider.config()
    for patch in ({"nonsense": 1}, {"people": {"outcomes": {"asleep": 1}}}, {"people": {"outcomes": {"busy": 0}}}):
        with pytest.raises(httpx.HTTPStatusError):
            provider.configure(**patch)

    assert provider.config() == before


def test_a_plan_that_changes_leaves_calls_under_way_alone(provider: Simulator, customer: Customer) -> None:
    provider.configure(people={"talk_seconds": [60, 60]})
    customer.call()
    accounts = provider.config()["accounts"]
    accounts[0]["plan"] = {"max_concurrent": 1}
    provider.configure(accounts=accounts, people=QUICK)

    assert customer.call().status_code == 429
    assert customer.get("/api/accounts/me").json()["activeCalls"] == 1


def test_a_config_survives_its_own_json() -> None:
    config = Config.model_validate({"accounts": [{"api_key": "k", "past": {"count": 3}}]})

    assert Config.model_validate_json(config.model_dump_json(by_alias=True)) == config


def test_timers_run_in_order_at_their_instants_and_late_ones_before_anything_else() -> None:
    ran: list[float] = []

    async def scenario() -> None:
        timers, start = Timers(), time.monotonic()
        for after in (0.05, 0.02, 0.08, 60):
            timers.at(start + after, lambda due: ran.append(round(due - start, 3)))
        timers.run_due(start + 0.06)
        assert ran == [0.02, 0.05]
        await asyncio.sleep(0.1)
        assert ran == [0.02, 0.05, 0.08]
        timers.clear()

    asyncio.run(scenario())
