"""The template of prod, deployed to moto's server: what then stands there, asked of each service.

Where this ends is written in docs/deploy.md, under "Where the local deployment ends".
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from local.aws import ACCOUNT
from local.processes import ROOT, Part, free_ports
from tests.calling import FUNCTIONS
from tests.deploy.cloud import Cloud
from tests.deploy.conftest import ORIGINS
from tests.deploy.services import LEFT_OUT, MAKERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.conftest import Template

STACK = "batchline-prod"
SCHEDULED = [name for name, function in FUNCTIONS.items() if function.schedules]


@pytest.fixture(scope="module")
def endpoint(folder: Path) -> Iterator[str]:
    """A moto server of these tests' own, with nothing in it."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    moto = Part("moto", command, folder / "moto.log", "Running on")
    moto.start()
    try:
        moto.wait_ready()
        yield f"http://127.0.0.1:{port}"
    finally:
        moto.signal_stop()
        moto.join()


@pytest.fixture(scope="module")
def cloud(endpoint: str, bucket_template: Template, template: Template) -> Cloud:
    """The stack, with an artifact that holds the handlers and not what they import: moto keeps a copy for each."""
    made = Cloud(endpoint, STACK)
    made.deploy(bucket_template, template, handlers_zip())
    return made


def handlers_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for handler in (ROOT / "functions").glob("*/handler.py"):
            archive.write(handler, handler.relative_to(ROOT))
    return packed.getvalue()


@pytest.fixture(scope="module")
def functions(cloud: Cloud) -> dict[str, Any]:
    """What stands of each function, by the name in serverless.yml."""
    pages = cloud.client("lambda").get_paginator("list_functions").paginate()
    return {made["FunctionName"].removeprefix(f"{STACK}-"): made for page in pages for made in page["Functions"]}


@pytest.fixture(scope="module")
def roles(cloud: Cloud) -> dict[str, Any]:
    """Who may take each role, and the statements of its one policy, by the role's ARN."""
    iam = cloud.client("iam")
    found: dict[str, Any] = {}
    for role in [role for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]:
        (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
        policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="what-it-uses")["PolicyDocument"]
        # moto hands out what CloudFormation gave it as Python writes it, not as JSON.
        found[role["Arn"]] = (trusted["Principal"]["Service"], ast.literal_eval(policy)["Statement"])
        ours = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        assert trusted.get("Condition") == (ours if "scheduler" in trusted["Principal"]["Service"] else None)
    return found


def test_moto_makes_all_but_what_is_listed_as_unknown_to_it(cloud: Cloud, template: Template) -> None:
    wanted = {made["Type"] for made in template["Resources"].values()}

    assert {kind for kind, _ in cloud.resources().values()} == wanted - MAKERS.keys()


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_listed_as_unknown_to_moto_is_passed_over_by_it(kind: str, endpoint: str, template: Template) -> None:
    assert kind in {made["Type"] for made in template["Resources"].values()}
    alone = Cloud(endpoint, re.sub(r"\W", "", kind))
    body = json.dumps({"Resources": {"Alone": {"Type": kind, "Properties": {}}}})
    alone.client("cloudformation").create_stack(StackName=alone.stack, TemplateBody=body)

    assert alone.resources() == {}


def test_what_is_listed_as_left_out_of_a_bucket_is_left_out_by_moto(endpoint: str, template: Template) -> None:
    bucket = template["Resources"]["Storage"]
    alone = Cloud(endpoint, "bucket")
    alone.client("cloudformation").create_stack(
        StackName=alone.stack, TemplateBody=json.dumps({"Resources": {"Storage": bucket}})
    )
    s3, name = alone.client("s3"), alone.resources()["Storage"][1]

    assert LEFT_OUT.keys() < bucket["Properties"].keys()
    for read in LEFT_OUT.values():
        with pytest.raises(s3.exceptions.ClientError, match=r"NotFound|NoSuch"):
            getattr(s3, read)(Bucket=name)


def test_every_function_stands_with_its_memory_its_time_and_its_handler(
    functions: dict[str, Any], cloud: Cloud
) -> None:
    assert functions.keys() == FUNCTIONS.keys()
    outputs = cloud.outputs()
    for name, made in functions.items():
        wanted, variables = FUNCTIONS[name], made["Environment"]["Variables"]
        assert made["Runtime"] == "python3.11"
        assert (made["MemorySize"], made["Timeout"]) == (wanted.memory_mb, wanted.timeout)
        assert made["Handler"] == wanted.handler
        assert (ROOT / made["Handler"].removesuffix(".main")).with_suffix(".py").exists()
        assert variables["STORAGE_BUCKET"] == outputs["StorageBucket"]
        assert variables["FUNCTIONS_URL"] == outputs["HttpApiUrl"]


def test_every_function_stands_with_a_role_of_its_own_that_names_what_it_reaches(
    functions: dict[str, Any], roles: dict[str, Any], cloud: Cloud
) -> None:
    bucket = cloud.outputs()["StorageBucket"]
    assert len({made["Role"] for made in functions.values()}) == len(functions)
    for name, made in functions.items():
        service, statements = roles[made["Role"]]
        assert service == "lambda.amazonaws.com"
        for resource in re.findall(r"arn:[^'\"]+", str([statement["Resource"] for statement in statements])):
            begins = {
                "s3": f"arn:aws:s3:::{bucket}",
                "sqs": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{STACK}-",
                "ssm": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/batchline/prod/agencies/*/ultravox-",
                "logs": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{STACK}-{name}:",
            }
            assert resource.startswith(begins[resource.split(":")[2]]), name


def test_a_queue_stands_with_its_dead_letters_and_a_worker_that_reports_each_failure(cloud: Cloud) -> None:
    sqs, mappings = cloud.client("sqs"), cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["FunctionArn"].rsplit(":", 1)[1] for mapping in mappings} == {
        f"{STACK}-calls-batch-process",
        f"{STACK}-process-historical-sync",
        f"{STACK}-process-contact-imports",
    }
    for mapping in mappings:
        url = sqs.get_queue_url(QueueName=mapping["EventSourceArn"].rsplit(":", 1)[1])["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(queue["RedrivePolicy"])
        dead = sqs.get_queue_url(QueueName=redrive["deadLetterTargetArn"].rsplit(":", 1)[1])["QueueUrl"]
        kept = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
        function = FUNCTIONS[mapping["FunctionArn"].rsplit(":", 1)[1].removeprefix(f"{STACK}-")]

        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert (mapping["BatchSize"], mapping["State"]) == (1, "Enabled")
        assert mapping["ScalingConfig"]["MaximumConcurrency"] in (20, 100)
        assert redrive["maxReceiveCount"] == 3
        assert int(queue["VisibilityTimeout"]) == 6 * function.timeout
        assert int(kept["MessageRetentionPeriod"]) == 14 * 86_400
        assert queue["SqsManagedSseEnabled"] == kept["SqsManagedSseEnabled"] == "true"


def test_the_bucket_stands_closed_encrypted_and_forgetful(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), {"Bucket": cloud.outputs()["StorageBucket"]}
    closed = s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"]
    (rule,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    days = {
        made["Filter"]["Prefix"]: made.get("Expiration", made.get("AbortIncompleteMultipartUpload"))
        for made in s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    }
    (crossed,) = s3.get_bucket_cors(**bucket)["CORSRules"]
    (statement,) = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]

    assert len(closed) == 4
    assert all(closed.values())
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert days == {"exports/": {"Days": 7}, "imports/": {"Days": 30}, "": {"DaysAfterInitiation": 1}}
    assert (crossed["AllowedMethods"], crossed["AllowedOrigins"]) == (["GET", "PUT"], ORIGINS)
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_schedule_stands_with_no_second_try_and_a_minute_of_patience(
    name: str, functions: dict[str, Any], roles: dict[str, Any], cloud: Cloud
) -> None:
    scheduler, function = cloud.client("scheduler"), functions[name]["FunctionArn"]
    names = [made["Name"] for made in scheduler.list_schedules()["Schedules"] if made["Target"]["Arn"] == function]
    (schedule,) = [scheduler.get_schedule(Name=one) for one in names]
    asynchronous = cloud.client("lambda").get_function_event_invoke_config(FunctionName=function)
    service, (may,) = roles[schedule["Target"]["RoleArn"]]

    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 minute)", "ENABLED")
    assert schedule["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert (asynchronous["MaximumRetryAttempts"], asynchronous["MaximumEventAgeInSeconds"]) == (0, 60)
    assert (service, may["Action"], may["Resource"]) == ("scheduler.amazonaws.com", ["lambda:InvokeFunction"], function)


def test_every_function_stands_with_a_log_group_that_ends_after_ninety_days(cloud: Cloud) -> None:
    pages = cloud.client("logs").get_paginator("describe_log_groups").paginate()
    kept = {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}

    assert kept == {f"/aws/lambda/{STACK}-{name}": 90 for name in FUNCTIONS}


def test_every_alarm_stands_and_tells_the_topic(cloud: Cloud, template: Template) -> None:
    topic = cloud.outputs()["AlarmTopic"]
    alarms = {made["AlarmName"]: made for made in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    (refusals,) = cloud.client("logs").describe_metric_filters()["metricFilters"]
    queues = {url.rsplit("/", 1)[1] for url in cloud.client("sqs").list_queues()["QueueUrls"]}

    assert alarms.keys() == {
        name for name, made in template["Resources"].items() if made["Type"] == "AWS::CloudWatch::Alarm"
    }
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
        for dimension in alarm["Dimensions"]:
            assert dimension["Name"] != "QueueName" or dimension["Value"] in queues
            assert dimension["Name"] != "FunctionName" or dimension["Value"].removeprefix(f"{STACK}-") in SCHEDULED
    assert refusals["metricTransformations"][0]["metricName"] in {alarm["MetricName"] for alarm in alarms.values()}


def test_every_route_stands_with_its_function_behind_it_and_a_throttle(cloud: Cloud) -> None:
    gateway = cloud.client("apigatewayv2")
    (api,) = gateway.get_apis()["Items"]
    behind = {made["IntegrationId"]: made for made in gateway.get_integrations(ApiId=api["ApiId"])["Items"]}
    (stage,) = gateway.get_stages(ApiId=api["ApiId"])["Items"]
    routes = gateway.get_routes(ApiId=api["ApiId"])["Items"]
    served = {route["RouteKey"]: behind[route["Target"].removeprefix("integrations/")] for route in routes}

    assert {key: made["IntegrationUri"].rsplit(":", 1)[1] for key, made in served.items()} == {
        route.key: f"{STACK}-{name}" for name, function in FUNCTIONS.items() for route in function.routes
    }
    assert {made["PayloadFormatVersion"] for made in served.values()} == {"2.0"}
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 200
    assert stage["RouteSettings"].keys() <= served.keys()
    for name in {made["IntegrationUri"].rsplit(":", 1)[1] for made in served.values()}:
        (statement,) = json.loads(cloud.client("lambda").get_policy(FunctionName=name)["Policy"])["Statement"]
        assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
        assert api["ApiId"] in statement["Condition"]["ArnLike"]["AWS:SourceArn"]
