"""One request to a service for what moto's CloudFormation does not make, with the template's properties as they are.

Names and types of every property are then held to the service's model by botocore, and what is refused fails the test.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Properties = dict[str, Any]
Attributes = dict[str, str]


def _api(client: Callable[[str], Any], _name: str, properties: Properties) -> Attributes:
    made = client("apigatewayv2").create_api(**properties)
    return {"Ref": made["ApiId"], "ApiEndpoint": made["ApiEndpoint"]}


def _integration(client: Callable[[str], Any], _name: str, properties: Properties) -> Attributes:
    return {"Ref": client("apigatewayv2").create_integration(**properties)["IntegrationId"]}


def _route(client: Callable[[str], Any], _name: str, properties: Properties) -> Attributes:
    return {"Ref": client("apigatewayv2").create_route(**properties)["RouteId"]}


def _stage(client: Callable[[str], Any], _name: str, properties: Properties) -> Attributes:
    return {"Ref": client("apigatewayv2").create_stage(**properties)["StageName"]}


def _bucket_policy(client: Callable[[str], Any], name: str, properties: Properties) -> Attributes:
    client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))
    return {"Ref": name}


def _invoke_config(client: Callable[[str], Any], name: str, properties: Properties) -> Attributes:
    client("lambda").put_function_event_invoke_config(**properties)
    return {"Ref": name}


def _schedule(client: Callable[[str], Any], name: str, properties: Properties) -> Attributes:
    client("scheduler").create_schedule(Name=name, **properties)
    return {"Ref": name}


def _alarm(client: Callable[[str], Any], name: str, properties: Properties) -> Attributes:
    client("cloudwatch").put_metric_alarm(AlarmName=name, **properties)
    return {"Ref": name}


def _metric_filter(client: Callable[[str], Any], name: str, properties: Properties) -> Attributes:
    client("logs").put_metric_filter(filterName=name, **_lower(properties))
    return {"Ref": name}


# What moto's CloudFormation leaves out of a bucket, and what would read it.
LEFT_OUT = {
    "PublicAccessBlockConfiguration": "get_public_access_block",
    "OwnershipControls": "get_bucket_ownership_controls",
    "LifecycleConfiguration": "get_bucket_lifecycle_configuration",
    "CorsConfiguration": "get_bucket_cors",
}


def complete_bucket(client: Callable[[str], Any], name: str, properties: Properties) -> None:
    """Add to a bucket what is listed as left out."""
    s3 = client("s3")
    if closed := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=closed)
    if owned := properties.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=owned)
    if kept := properties.get("LifecycleConfiguration"):
        rules = {"Rules": [_lifecycle(rule) for rule in kept["Rules"]]}
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=rules)
    if crossed := properties.get("CorsConfiguration"):
        s3.put_bucket_cors(Bucket=name, CORSConfiguration=_cross_origin(crossed))


def _lifecycle(rule: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation has words of its own for it."""
    made = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "AbortIncompleteMultipartUpload" in rule:
        made["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    return made


def _cross_origin(given: Mapping[str, Any]) -> dict[str, Any]:
    rules = [{**rule, "MaxAgeSeconds": rule["MaxAge"]} for rule in given["CorsRules"]]
    return {"CORSRules": [{name: value for name, value in rule.items() if name != "MaxAge"} for rule in rules]}


def _lower(value: Any) -> Any:
    """The names as CloudWatch Logs has them."""
    if isinstance(value, dict):
        found = cast("Properties", value)
        return {f"{name[0].lower()}{name[1:]}": _lower(item) for name, item in found.items()}
    return [_lower(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


# In the order in which they are made: after what they refer to.
MAKERS = {
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::ApiGatewayV2::Integration": _integration,
    "AWS::ApiGatewayV2::Route": _route,
    "AWS::ApiGatewayV2::Stage": _stage,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::Lambda::EventInvokeConfig": _invoke_config,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Logs::MetricFilter": _metric_filter,
}
