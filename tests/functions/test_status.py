from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.functions import Context
from shared import runs
from shared.settings import settings
from tests.calling import FUNCTIONS, call
from tests.functions.conftest import forget
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.factories import Connection
    from tests.servers import Asked
    from tests.sql.world import World

PROCESSORS = [name for name, function in FUNCTIONS.items() if function.schedules]
MINUTE = 60_000


def shown(token: str) -> dict[str, Any]:
    """The last run of each processor by name."""
    return {run["processor"]: run for run in call("status", token).body["processors"]}


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_that_ran_is_shown_under_its_name(name: str, member: str, db: Connection) -> None:
    db.execute("delete from public.processor_runs")
    context: Any = Context(FUNCTIONS[name])
    context.get_remaining_time_in_millis = lambda: round(1000 * settings().write_timeout_seconds)  # to be recorded in

    FUNCTIONS[name].resolve()({}, context)

    runs_shown = shown(member)
    assert {other: run["outcome"] for other, run in runs_shown.items()} == {
        other: "succeeded" if other == name else "never" for other in PROCESSORS
    }
    assert 0 <= runs_shown[name]["age_seconds"] < 60


def test_a_run_that_failed_is_shown_as_such_and_still_fails(member: str) -> None:
    @runs.recorded("process-notices")
    def fail(_remaining_ms: Callable[[], int]) -> Mapping[str, object]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail(lambda: MINUTE)

    assert shown(member)["process-notices"]["outcome"] == "failed"


def test_a_run_that_cannot_be_recorded_is_none_that_failed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(lambda _asked: (500, b'{"code": "XX000", "message": "out of order"}')) as broken:
        monkeypatch.setenv("SUPABASE_REST_URL", broken.url)
        forget()
        result = runs.recorded("process-notices")(lambda _remaining_ms: {"processed": 3})(lambda: MINUTE)
    monkeypatch.undo()
    forget()

    assert result == {"processed": 3}
    assert [asked.path for asked in broken.asked] == ["/rpc/record_run"]
    assert caplog.messages == ["The run could not be recorded"]


def test_without_time_for_an_answer_nothing_is_recorded(counted: list[Asked], caplog: pytest.LogCaptureFixture) -> None:
    least = round(1000 * settings().write_timeout_seconds)

    runs.recorded("process-notices")(lambda _remaining_ms: {})(lambda: least - 1)

    assert counted == []
    assert caplog.messages == ["No time is left to record the run"]


def test_calls_that_are_out_are_those_of_the_callers_agency(member: str, world: World) -> None:
    nothing = call("status", member).body
    world.call_in("unknown")
    world.call_in("answered")
    world.call_in("ended")

    out = call("status", member).body

    assert (nothing["live_calls"], nothing["unknown_calls"], nothing["oldest_unsettled_seconds"]) == (0, 0, None)
    assert (out["live_calls"], out["unknown_calls"]) == (2, 1)
    assert 0 <= out["oldest_unsettled_seconds"] < 60
