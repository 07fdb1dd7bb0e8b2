"""What a run tells about the whole deployment: one line of metrics at its end, in CloudWatch's embedded format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared import dialer, vitals
from shared.settings import settings
from tests.servers import serving

if TYPE_CHECKING:
    import pytest

    from tests.dialer.conftest import Settings
    from tests.dialer.harness import World

LEVELS = {
    "slots_held": "Count",
    "unknown_calls": "Count",
    "oldest_unsettled_seconds": "Seconds",
    "asked_in_vain": "Count",
    "throttles": "Count",
    "late_acceptances": "Count",
    "breaker_trips": "Count",
    "account_pauses": "Count",
    "silent_processors": "Count",
}
Line = dict[str, Any]


def metrics(written: str) -> list[Line]:
    """The metrics lines, in order."""
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def test_a_run_ends_with_the_deployments_vitals(world: World) -> None:
    world.simulator.add_fault("refuse", {"times": 1}, status=500, body={})
    batch = world.create(1)
    world.db.execute("delete from public.processor_runs")  # others may have run for other tests
    with world.worker(2) as worker:
        run, deployment = metrics(worker.output()[0])

    assert [call["status"] for call in batch.calls()] == ["unknown"]
    assert run["calls_initiated"] == run["calls_unknown"] == [1.0]
    assert deployment["unknown_calls"][0] >= 1
    assert deployment["slots_held"][0] >= 1
    assert deployment["oldest_unsettled_seconds"][0] > 0
    assert deployment["silent_processors"][0] >= 3  # nothing else runs here


def test_each_metric_has_its_unit_and_stands_beside_the_runs_own(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()

    run, deployment = metrics(capsys.readouterr().out)
    [described] = deployment["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"]: metric["Unit"] for metric in described["Metrics"]} == LEVELS
    assert described["Namespace"] == run["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Batchline"
    assert deployment["function"] == run["function"] == "calls-batch-process"
    assert not LEVELS.keys() & run.keys()


def test_vitals_that_cannot_be_read_are_logged_and_fail_no_run(
    change_settings: Settings, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(lambda _asked: (500, b'{"code": "XX000", "message": "out of order"}')) as broken:
        change_settings(SUPABASE_REST_URL=broken.url)
        vitals.report("calls-batch-process", lambda: 60_000)

    assert [asked.path for asked in broken.asked] == ["/rpc/vitals"]
    assert caplog.messages == ["The vitals could not be read"]
    assert metrics(capsys.readouterr().out) == []


def test_without_time_for_an_answer_the_vitals_are_left_out(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    least = round(2000 * settings().write_timeout_seconds)

    dialer.process(lambda: least - 1, str(world.agency.id))
    assert len(metrics(capsys.readouterr().out)) == 1
    dialer.process(lambda: least, str(world.agency.id))
    assert len(metrics(capsys.readouterr().out)) == 2
