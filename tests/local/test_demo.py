"""The demo as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.processes import spawned

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "local", "demo", "--contacts", "50", "--seed", "14"]  # six of them miss one call


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Ours, with everything temporary in the test's folder."""
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}


def traces(folder: Path) -> Iterator[str]:
    """Files in the folder, and processes that were told of it."""
    yield from (str(path) for path in folder.iterdir())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended since it was listed
        if os.fsencode(folder) in told:
            yield f"process {process.name}: {told!r}"


def test_a_small_batch_keeps_every_promise_and_leaves_nothing_behind(
    tmp_path: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    svg = tmp_path_factory.mktemp("picture") / "demo.svg"

    done = subprocess.run(
        [*COMMAND, "--svg", str(svg)], env=environment, capture_output=True, text=True, timeout=100, check=False
    )

    broken = [row for row in done.stdout.splitlines() if row.startswith("Not kept")]
    # Other tests run beside this one: how long a call that has begun takes to the provider is not the demo's doing.
    assert all("Calls arrived" in row for row in broken), done.stdout
    assert done.returncode == bool(broken), done.stdout + done.stderr
    assert ("All promises were kept." in done.stdout) == (not broken)
    assert "paused" in done.stdout
    assert "44 people once, 6 people twice" in done.stdout
    assert any("Past calls imported, each once" in row and row.count("5,000") == 2 for row in done.stdout.splitlines())
    assert "@font-face" not in svg.read_text()
    assert "50&#160;people&#160;to&#160;call" in svg.read_text()
    assert list(traces(tmp_path)) == []


def test_a_list_goes_in_as_csv_and_comes_out_as_csv(
    tmp_path: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lists") / "new"
    command = [*COMMAND, "--seed", "897", "--csv", str(folder)]  # none of them misses a call

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    broken = [row for row in done.stdout.splitlines() if row.startswith("Not kept")]
    assert all("Calls arrived" in row for row in broken), done.stdout  # as above
    assert done.returncode == bool(broken), done.stdout + done.stderr
    assert "50 in" in done.stdout
    assert "Past calls" not in done.stdout
    for bar, figures in (
        *(("Rows read", "61/61"), ("Added", "50/61"), ("Already listed", "1/61"), ("Invalid", "10/61")),
        ("Exported", "50/50"),
    ):
        assert any(row.startswith(bar) and f" {figures} " in row for row in done.stdout.splitlines()), done.stdout
    for name, rows in (("list.csv", 62), ("import-report.csv", 12), ("results.csv", 51)):
        assert f": {folder / name}\n" in done.stdout
        assert (folder / name).read_bytes().count(b"\r\n") == rows
    assert list(traces(tmp_path)) == []


def test_ctrl_c_ends_it_and_its_stack(tmp_path: Path, environment: dict[str, str]) -> None:
    with spawned(COMMAND, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        for row in process.stdout:
            if "processing" in row:
                break
        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 130
        assert process.stderr.read() == "Interrupted.\n"
    assert list(traces(tmp_path)) == []


def test_with_hours_people_are_called_where_they_are_open_and_sleep_elsewhere(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    command = [*COMMAND, "--hours"]
    with spawned(command, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stdout
        reached = next(row for row in process.stdout if re.search(r"\([1-9]\d* reached\)", row))
        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 130
    assert re.search(r" 0 double dials .* [1-9]\d asleep · hours (open and close in|have opened)", reached)
    assert list(traces(tmp_path)) == []


def test_when_a_part_dies_its_last_words_can_still_be_read(tmp_path: Path, environment: dict[str, str]) -> None:
    with spawned(COMMAND, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        for row in process.stdout:
            if "processing" in row:
                break
        (folder,) = tmp_path.iterdir()
        (simulator,) = [trace for trace in traces(folder) if "local.simulator" in trace]
        os.kill(int(simulator.split()[1].rstrip(":")), signal.SIGKILL)

        assert process.wait(30) == 1
        said = process.stderr.read()
    assert said.startswith("simulator was killed by SIGKILL")
    assert str(folder / "logs" / "simulator.log") in said
    assert (folder / "logs" / "simulator.log").exists()
    assert not [trace for trace in traces(tmp_path) if trace.startswith("process")]


def test_what_the_plan_does_not_allow_is_said_in_one_sentence(tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "--calls-per-minute", "601"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("calls-batch-create answered 400: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(traces(tmp_path)) == []


@pytest.mark.parametrize("contacts", ["49", "10001", "many"])
def test_a_list_too_short_to_pause_or_too_long_for_one_request_is_refused(contacts: str) -> None:
    done = subprocess.run([*COMMAND, "--contacts", contacts], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "--contacts" in done.stderr
