"""serverless.yml as the local stack reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.functions import Context, Function, find_route, load
from local.processes import LocalError

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = """
provider:
  timeout: 15
  memorySize: 512
  environment: { URL: !GetAtt Api.Endpoint, NAME: !Sub ["${a}", { a: 1 }] }
functions:
  list-get:
    handler: functions/list-get/handler.main
    events:
      - httpApi: { method: "*", path: "/list/{id}" }
  list-all:
    handler: functions/list-all/handler.main
    timeout: 3
    events:
      - httpApi: GET /list/all
  list-delete:
    handler: functions/list-delete/handler.main
    timeout: ${param:timeout}
    events:
      - httpApi: { method: delete, path: "/list/{id}" }
  sweep:
    handler: functions/sweep/handler.main
    reservedConcurrency: 2
    events:
      - schedule: rate(1 minute)
      - schedule: { rate: ["rate(2 hours)"], input: { deep: true } }
"""


@pytest.fixture
def functions(tmp_path: Path) -> dict[str, Function]:
    (tmp_path / "serverless.yml").write_text(DOCUMENT)
    return load(tmp_path / "serverless.yml")


def test_what_a_function_leaves_open_the_provider_says(functions: dict[str, Function]) -> None:
    assert functions["list-get"].timeout == 15
    assert functions["list-all"].timeout == 3
    assert functions["list-delete"].timeout == 6, "a variable is not resolved: Lambda's default stands in"
    assert {function.memory_mb for function in functions.values()} == {512}


def test_schedules_are_read_with_their_input(functions: dict[str, Function]) -> None:
    minutely, hourly = functions["sweep"].schedules

    assert (minutely.every, minutely.event["source"]) == (60, "aws.events")
    assert (hourly.every, hourly.event) == (7200, {"deep": True})
    assert functions["sweep"].reserved_concurrency == 2


def test_a_schedule_that_the_stack_cannot_keep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "serverless.yml").write_text(DOCUMENT.replace("rate(1 minute)", "cron(0 12 * * ? *)"))

    with pytest.raises(LocalError, match=r"does not know the schedule 'cron\(0 12 \* \* \? \*\)'"):
        load(tmp_path / "serverless.yml")


@pytest.mark.parametrize(
    ("method", "path", "name", "parameters"),
    [
        ("GET", "/list/all", "list-all", {}),
        ("POST", "/list/all", "list-get", {"id": "all"}),
        ("GET", "/list/7", "list-get", {"id": "7"}),
        ("DELETE", "/list/a%2Fb", "list-delete", {"id": "a%2Fb"}),
    ],
)
def test_the_most_specific_route_is_taken(
    functions: dict[str, Function], method: str, path: str, name: str, parameters: dict[str, str]
) -> None:
    found = find_route(functions, method, path)

    assert found is not None
    assert (found[0].name, found[2]) == (name, parameters)


@pytest.mark.parametrize("path", ["/", "/list", "/list/7/8", "/list/", "/sweep"])
def test_a_path_without_a_route_leads_nowhere(functions: dict[str, Function], path: str) -> None:
    assert find_route(functions, "GET", path) is None


def test_a_handler_can_ask_how_much_time_is_left(functions: dict[str, Function]) -> None:
    context = Context(functions["list-all"])

    assert 2_000 < context.get_remaining_time_in_millis() <= 3_000
    assert context.function_name == "list-all"
    assert context.aws_request_id != Context(functions["list-all"]).aws_request_id
