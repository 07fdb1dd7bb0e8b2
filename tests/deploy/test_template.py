"""The template that CloudFormation is given: least privilege, no second tries, no secret, an alarm for what matters."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from local import package
from local.functions import SERVERLESS_YML, load
from local.processes import ROOT
from tests.deploy.conftest import ORIGINS

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = load()
SCHEDULED = [name for name, function in FUNCTIONS.items() if function.schedules]
USES = {
    name: set(entry.get("uses", []))
    for name, entry in yaml.safe_load(re.sub(r"!\w+ ", "", SERVERLESS_YML.read_text()))["functions"].items()
}
# osls names each integration in Ref and DependsOn alike; that is its way and does no harm.
SUPPRESSED = ("W3005",)
# What may stand for "any": an agency, an object under a prefix, a stream of the function's own log group.
MAY_BE_ANY = re.compile(r"/agencies/\*/[a-z-]+|\$\{Storage\.Arn\}/[a-z-]+/\*|:log-group:/aws/lambda/[a-z-]+:\*")

Template = dict[str, Any]


def of_type(resources: dict[str, Template], kind: str) -> dict[str, Template]:
    found = {name: made["Properties"] for name, made in resources.items() if made["Type"] == kind}
    assert found, f"the template has no {kind}"
    return found


def lambdas(resources: dict[str, Template]) -> dict[str, Template]:
    return {
        made["FunctionName"].removeprefix("batchline-prod-"): made
        for made in of_type(resources, "AWS::Lambda::Function").values()
    }


def statements(role: Template) -> Iterator[tuple[list[str], list[str]]]:
    """Actions and resources, the latter as text."""
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            on: Any = statement["Resource"]
            several = cast("list[Any]", on if isinstance(on, list) else [on])
            yield statement["Action"], [json.dumps(one) for one in several]


def actions_of(resources: dict[str, Template], name: str) -> set[str]:
    role = resources[lambdas(resources)[name]["Role"]["Fn::GetAtt"][0]]["Properties"]
    return {action for actions, _ in statements(role) for action in actions}


def modules_of(name: str) -> set[str]:
    """The modules of shared that a handler reaches, through whatever else it imports."""
    found: set[str] = set()
    waiting = [ROOT / f"functions/{name}/handler.py"]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("shared"):
                continue
            names = [alias.name for alias in node.names] if node.module == "shared" else [str(node.module)[7:]]
            for module in set(names) - found:
                found.add(module)
                waiting.append(ROOT / f"shared/{module}.py")
    return found


def test_cfn_lint_finds_nothing(template: Template, folder: Path) -> None:
    file = folder / "template.json"
    file.write_text(json.dumps(template))
    command = [Path(sys.executable).with_name("cfn-lint"), "--ignore-checks", *SUPPRESSED, "--", file]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_every_function_has_a_role_of_its_own(resources: dict[str, Template]) -> None:
    roles = [made["Role"]["Fn::GetAtt"][0] for made in lambdas(resources).values()]

    assert len(roles) == len(set(roles)) == len(FUNCTIONS)


def test_no_role_may_do_anything_or_reach_everything(resources: dict[str, Template]) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for actions, on in statements(role):
            assert not [action for action in actions if "*" in action], name
            for resource in on:
                assert "*" not in MAY_BE_ANY.sub("", resource), (name, resource)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_cannot_reach_secrets_or_storage_has_no_right_to(
    name: str, resources: dict[str, Template]
) -> None:
    services = {action.split(":")[0] for action in actions_of(resources, name)}
    reached = modules_of(name)

    assert "ssm" not in services or "secrets" in reached
    assert "s3" not in services or "storage" in reached


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_does_with_storage_and_secrets_it_has_a_right_to(name: str) -> None:
    """By the modules that do it: the verbs of one noun may need less, which `uses` then says."""
    reached, uses = modules_of(name), USES[name]

    if reached & {"dialer", "sync"}:
        assert "provider-key" in uses
    if any("{agency_id}" in route.path for route in FUNCTIONS[name].routes):  # signed by the provider
        assert "webhook-secret" in uses
    if name.startswith("batch-call-"):
        assert uses & {"tasks-read", "tasks-write", "tasks-erase"} or name == "batch-call-tasks"
    if reached & {"results", "erasure"} and name != "calls-batch-redial":
        assert any(use.startswith("exports-") for use in uses)
    if reached & {"contact_imports", "lists"}:
        assert any(use.startswith("imports-") for use in uses)


def test_no_secret_stands_in_the_template(resources: dict[str, Template]) -> None:
    for name, made in lambdas(resources).items():
        for variable, value in made["Environment"]["Variables"].items():
            if re.search("KEY|SECRET|PASSWORD|TOKEN", variable):
                assert str(value).startswith("{{resolve:secretsmanager:batchline/prod/"), (name, variable)
    assert not re.search(r"eyJ[\w-]{10,}\.|bl_secret_|sb_secret_|AKIA[A-Z0-9]{16}", json.dumps(resources))


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_processor_is_started_every_minute_and_never_a_second_time(name: str, resources: dict[str, Template]) -> None:
    lambdas_by_key = of_type(resources, "AWS::Lambda::Function")
    (function,) = [key for key, made in lambdas_by_key.items() if made["FunctionName"] == f"batchline-prod-{name}"]
    (schedule,) = [
        made
        for made in of_type(resources, "AWS::Scheduler::Schedule").values()
        if made["Target"]["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
    ]
    (asynchronous,) = [
        made
        for made in of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
        if made["FunctionName"] == {"Ref": function}
    ]

    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert (asynchronous["MaximumRetryAttempts"], asynchronous["MaximumEventAgeInSeconds"]) == (0, 60)
    assert not [made for made in resources.values() if made["Type"] == "AWS::Events::Rule"]


def test_a_message_that_is_failed_again_and_again_ends_where_an_alarm_sees_it(
    resources: dict[str, Template],
) -> None:
    queues = of_type(resources, "AWS::SQS::Queue")
    alarms = json.dumps(of_type(resources, "AWS::CloudWatch::Alarm"))
    for mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").values():
        queue = queues[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        function = resources[mapping["FunctionName"]["Fn::GetAtt"][0]]["Properties"]
        dead_letters = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]

        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]  # what AWS asks for
        assert "ReservedConcurrentExecutions" not in function  # the mapping's own limit holds
        assert dead_letters in queues
        assert f'["{dead_letters}", "QueueName"]' in alarms


def test_the_alarms_are_those_of_the_operations_document(resources: dict[str, Template]) -> None:
    table = re.findall(
        r"^\| \[.*?\]\(#.*?\) \| `(\w+)`, (\w+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    ours = {(made["MetricName"], made["Statistic"]) for made in alarms if made["Namespace"] == "Batchline"}

    assert ours == {*table, ("webhooks_refused", "Sum")}  # the last is counted from log lines


def test_the_alarms_of_aws_own_metrics_are_in_the_operations_document_too(resources: dict[str, Template]) -> None:
    table = re.findall(
        r"^\| \[.*?\]\(#.*?\) \| (AWS/\w+) `(\w+)`, (\w+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()

    assert set(table) == {
        (made["Namespace"], made["MetricName"], made["Statistic"])
        for made in alarms
        if made["Namespace"] != "Batchline"
    }


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_processor_that_fails_or_is_silent_raises_an_alarm_that_its_one_run_a_minute_can_raise(
    name: str, resources: dict[str, Template]
) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    of_it = {
        made["MetricName"]: made for made in alarms if f"batchline-prod-{name}" in json.dumps(made.get("Dimensions"))
    }
    silent = [made for made in alarms if made["MetricName"] == "slots_held" and f'"{name}"' in json.dumps(made)]

    assert (of_it["Errors"]["Threshold"], of_it["Errors"]["DatapointsToAlarm"]) == (1, 3)
    (silence,) = silent or [of_it["Invocations"]]
    assert (silence["ComparisonOperator"], silence["TreatMissingData"]) == ("LessThanThreshold", "breaching")


def test_the_template_and_the_package_are_for_one_python_and_one_machine(resources: dict[str, Template]) -> None:
    for made in lambdas(resources).values():
        assert (made["Runtime"], made["Architectures"]) == (f"python{package.PYTHON}", [package.ARCHITECTURE])


def test_what_is_stored_is_private_encrypted_and_not_for_ever(resources: dict[str, Template]) -> None:
    bucket = resources["Storage"]["Properties"]
    expiring = {rule.get("Prefix") for rule in bucket["LifecycleConfiguration"]["Rules"]}

    (crossed,) = bucket["CorsConfiguration"]["CorsRules"]

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert (crossed["AllowedMethods"], crossed["AllowedOrigins"]) == (["GET", "PUT"], ORIGINS)
    assert bucket["BucketEncryption"]
    assert {"exports/", "imports/"} <= expiring
    for made in of_type(resources, "AWS::Logs::LogGroup").values():
        assert made["RetentionInDays"] == 90


def test_what_is_stored_belongs_to_nobody_else_and_never_goes_over_the_wire_in_the_clear(
    resources: dict[str, Template],
) -> None:
    bucket = resources["Storage"]["Properties"]
    policy = resources["StoragePolicy"]["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}  # no lists of access
    assert "AccessControl" not in bucket
    assert policy["Bucket"] == {"Ref": "Storage"}
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": ["Storage", "Arn"]}, {"Fn::Sub": "${Storage.Arn}/*"}]


def test_every_route_is_throttled(resources: dict[str, Template]) -> None:
    (stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    routes = {made["RouteKey"] for made in of_type(resources, "AWS::ApiGatewayV2::Route").values()}

    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert stage["RouteSettings"].keys() <= routes


def test_without_queues_the_dialler_keeps_to_two_runs_at_once() -> None:
    """As `dev` has it; with queues the mapping's own limit holds, and the plugin takes this one away."""
    assert {name: one.reserved_concurrency for name, one in FUNCTIONS.items() if one.reserved_concurrency} == {
        "calls-batch-process": 2
    }
