"""The rights of each function, from both sides: what it does its role allows, and what its role allows it does.

Each function works through its scenario, on the real database and with the access key of its own role at the gate of
rights.py. A request that the role lacks is answered as AWS does, which fails the scenario; a right that the scenario
does not need fails the test as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from local.aws import ACCOUNT, BUCKET, REGION, queue_name
from shared.errors import AppError
from tests.calling import FUNCTIONS
from tests.deploy.rights import Gate, Wish, guarded
from tests.deploy.scenarios import SCENARIOS, STRANGER, WITHOUT_RIGHTS, Scene
from tests.functions.conftest import forget
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack
    from tests.deploy.conftest import Template
    from tests.factories import Connection
    from tests.functions.conftest import Sign

# What Lambda itself does with the role: it writes the log, and takes the queue's messages.
LAMBDAS_OWN = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
}


@pytest.fixture(scope="module", autouse=True)
def _container(stack: Stack) -> Iterator[None]:  # noqa: ARG001 - its settings must be there first
    forget()
    yield
    forget()
    STRANGER.close()


@pytest.fixture(scope="module")
def roles(resources: dict[str, Template]) -> dict[str, list[dict[str, Any]]]:
    """The statements of each function's role, with the stack's own bucket, queues and stage in them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for made in resources.values():
        if made["Type"] == "AWS::Lambda::Function":
            role = resources[made["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
            statements = role["Policies"][0]["PolicyDocument"]["Statement"]
            name = made["Properties"]["FunctionName"].removeprefix("batchline-prod-")
            found[name] = [{**one, "Resource": _arns(one["Resource"], name)} for one in statements]
    return found


def _arns(resource: Any, function: str) -> list[str]:
    """A resource of the template as the ARN that it has here."""
    if isinstance(resource, list):
        return [arn for one in cast("list[Any]", resource) for arn in _arns(one, function)]
    if "Fn::GetAtt" in resource:
        (name, _) = resource["Fn::GetAtt"]
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name(function)}"
        return [f"arn:aws:s3:::{BUCKET}" if name == "Storage" else queue]
    known = {"Storage.Arn": f"arn:aws:s3:::{BUCKET}", "AWS::Partition": "aws", "AWS::Region": REGION}
    known["AWS::AccountId"] = ACCOUNT
    text = re.sub(r"\$\{([\w:.]+)\}", lambda found: known[found[1]], resource["Fn::Sub"])
    return [text.replace("/batchline/prod/", "/batchline/local/")]


@pytest.fixture
def gate(stack: Stack, roles: dict[str, list[dict[str, Any]]]) -> Iterator[Gate]:
    with guarded(stack.env["AWS_ENDPOINT_URL"], roles) as gate:
        yield gate


@pytest.fixture
def scene(db: Connection, sign: Sign, gate: Gate) -> Scene:
    db.execute("delete from public.contact_imports")
    return Scene(World(db), sign, gate)


def rights(gate: Gate, name: str) -> set[str]:
    """What its role allows, but for what Lambda itself needs."""
    return {action for statement in gate.roles[name] for action in statement["Action"]} - LAMBDAS_OWN


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_function_does_all_that_its_role_allows_and_nothing_else(name: str, scene: Scene) -> None:
    SCENARIOS[name](scene)

    assert scene.gate.denied == []
    assert scene.gate.used[name] == rights(scene.gate, name)


@pytest.mark.parametrize("name", WITHOUT_RIGHTS)
def test_a_function_without_a_right_asks_aws_for_nothing(name: str, scene: Scene) -> None:
    WITHOUT_RIGHTS[name](scene)

    assert name not in scene.gate.used


def test_there_is_a_scenario_for_every_function(gate: Gate) -> None:
    assert {name for name in FUNCTIONS if rights(gate, name)} == SCENARIOS.keys()
    assert FUNCTIONS.keys() == SCENARIOS.keys() | WITHOUT_RIGHTS.keys()


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("batch-call-get", "s3:GetObject"),
        ("person-erase", "s3:ListBucket"),
        ("agents-sync", "ssm:GetParameter"),
        ("calls-batch-process", "sqs:SendMessage"),
    ],
)
def test_without_a_right_what_needs_it_fails(name: str, action: str, scene: Scene) -> None:
    gate = scene.gate
    less = [
        {**statement, "Action": [one for one in statement["Action"] if one != action]} for statement in gate.roles[name]
    ]
    gate.roles = {**gate.roles, name: less}

    with pytest.raises((AssertionError, KeyError, httpx.HTTPStatusError, AppError)):
        SCENARIOS[name](scene)

    hidden = {"s3:GetObject"} if action == "s3:ListBucket" else set[str]()
    assert {wish.action for _, wish in gate.denied} <= {action, *hidden}
    assert gate.denied


def test_an_agencys_secret_of_another_name_or_stage_is_out_of_reach(gate: Gate) -> None:
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/batchline"

    assert gate.allows("agents-sync", [Wish("ssm:GetParameter", f"{arn}/local/agencies/1/ultravox-api-key")])
    assert not gate.allows("agents-sync", [Wish("ssm:GetParameter", f"{arn}/local/agencies/1/ultravox-webhook-secret")])
    assert not gate.allows("agents-sync", [Wish("ssm:GetParameter", f"{arn}/prod/agencies/1/ultravox-api-key")])
