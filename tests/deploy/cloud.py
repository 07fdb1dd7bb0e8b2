"""A stage deployed to moto's server: by its CloudFormation where that knows a type, by the service's API where not.

What moto's CloudFormation does not know it passes over in silence, and a reference to it is an error. It is made all
the same, of the template's properties, by one request each; what it refers to moto resolves, as outputs of the stack.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]

from local.aws import REGION
from tests.deploy.services import MAKERS, complete_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Template = dict[str, Any]
PSEUDO = {"AWS::Region", "AWS::AccountId", "AWS::Partition", "AWS::URLSuffix"}


class Cloud:
    """An account at moto's server with one stack in it."""

    def __init__(self, endpoint: str, stack: str) -> None:
        self._endpoint, self.stack = endpoint, stack
        self._session: Any = cast("Any", boto3).Session("test", "test", region_name=REGION)
        self._clients: dict[str, Any] = {}
        self._values: dict[str, object] = {}  # what a reference stands for, by its text

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self._endpoint)
        return self._clients[service]

    def deploy(self, first: Template, whole: Template, artifact: bytes) -> None:
        """As `serverless deploy` does it: a bucket for artifacts; artifact and template, into it; all the rest."""
        self._form("create_stack", TemplateBody=json.dumps(_known_part(first)))
        bucket = self.resources()["ServerlessDeploymentBucket"][1]
        (key,) = {made["Properties"]["Code"]["S3Key"] for made in _of(whole, "AWS::Lambda::Function").values()}
        s3 = self.client("s3")
        s3.put_object(Bucket=bucket, Key=key, Body=artifact)
        self._make(_of(whole, "AWS::ApiGatewayV2::Api"))  # the functions refer to it
        s3.put_object(Bucket=bucket, Key="template.json", Body=json.dumps(self.resolved(_known_part(whole))).encode())
        self._form("update_stack", TemplateURL=f"https://s3.amazonaws.com/{bucket}/template.json")
        self._complete(whole)

    def resources(self) -> dict[str, tuple[str, str]]:
        """Type and name of each resource of the stack, by its name in the template."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.stack)
        found = [made for page in pages for made in page["StackResourceSummaries"] if made.get("LogicalResourceId")]
        return {made["LogicalResourceId"]: (made["ResourceType"], made["PhysicalResourceId"]) for made in found}

    def outputs(self) -> dict[str, str]:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def resolved(self, value: Any) -> Any:
        """The value with the references that are known by now as what they stand for."""
        if isinstance(value, list):
            return [self.resolved(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        if (text := json.dumps(value)) in self._values:
            return self._values[text]
        found = {name: self.resolved(item) for name, item in cast("Template", value).items()}
        if "Fn::Join" in found and all(isinstance(part, str) for part in found["Fn::Join"][1]):
            return found["Fn::Join"][0].join(found["Fn::Join"][1])
        return found

    def _form(self, action: str, **given: str) -> None:
        formation = self.client("cloudformation")
        getattr(formation, action)(StackName=self.stack, Capabilities=["CAPABILITY_IAM"], **given)

    def _complete(self, template: Template) -> None:
        outputs = self.outputs()
        self._values |= {json.dumps(wanted): outputs[name] for name, wanted in _wanted(template).items()}
        for name, made in _of(template, "AWS::S3::Bucket").items():
            complete_bucket(self.client, self.resources()[name][1], made["Properties"])
        for kind in MAKERS:
            self._make(_of(template, kind))

    def _make(self, resources: Mapping[str, Template]) -> None:
        for name, made in resources.items():
            if json.dumps({"Ref": name}) in self._values:
                continue
            attributes = MAKERS[made["Type"]](self.client, name, self.resolved(made["Properties"]))
            self._values[json.dumps({"Ref": name})] = attributes.pop("Ref")
            self._values |= {json.dumps({"Fn::GetAtt": [name, key]}): value for key, value in attributes.items()}


def _of(template: Template, kind: str) -> dict[str, Template]:
    return {name: made for name, made in template["Resources"].items() if made["Type"] == kind}


def _known_part(template: Template) -> Template:
    """The template without the types that moto's CloudFormation does not know, with outputs for what those refer to."""
    known = {name: made for name, made in template["Resources"].items() if made["Type"] not in MAKERS}
    for name, made in known.items():
        if "DependsOn" in made:
            known[name] = {**made, "DependsOn": [other for other in made["DependsOn"] if other in known]}
    outputs = {name: {"Value": wanted} for name, wanted in _wanted(template).items()}
    return {**template, "Resources": known, "Outputs": {**template["Outputs"], **outputs}}


def _wanted(template: Template) -> dict[str, Template]:
    """The references from what moto's CloudFormation does not know to what it does, by the name of an output each."""
    others = [made["Properties"] for made in template["Resources"].values() if made["Type"] in MAKERS]
    known = {name for name, made in template["Resources"].items() if made["Type"] not in MAKERS}
    found = {json.dumps(one): one for one in _references(others) if _named(one) <= known | PSEUDO}
    return {f"Wanted{number}": one for number, one in enumerate(found.values())}


def _references(value: Any) -> Iterator[Template]:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _references(item)
    elif isinstance(value, dict):
        found = cast("Template", value)
        if found.keys() & {"Ref", "Fn::GetAtt", "Fn::Sub"}:
            yield found
        else:
            yield from _references(list(found.values()))


def _named(reference: Template) -> set[str]:
    """The resources that one reference names."""
    (way, what), *_ = reference.items()
    if way == "Fn::Sub":
        return {name.split(".")[0] for name in re.findall(r"\$\{([\w:.]+)\}", what)}
    return {what if way == "Ref" else what[0]}
