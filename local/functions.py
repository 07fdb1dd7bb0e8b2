"""The functions of serverless.yml: read from the file, found by name and called as Lambda does."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import yaml

from local.processes import ROOT, LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SERVERLESS_YML = ROOT / "serverless.yml"
DEFAULT_TIMEOUT_SECONDS = 6
DEFAULT_MEMORY_MB = 1024
ANY_METHOD = "*"
SECONDS_OF = {"minute": 60, "hour": 3600, "day": 86_400}

Event = dict[str, Any]
Section = dict[str, Any]


@dataclass(frozen=True)
class Route:
    """One httpApi event: a method in capitals or `*`, and a path with `{parameters}`."""

    method: str
    path: str

    @property
    def key(self) -> str:
        return f"{'ANY' if self.method == ANY_METHOD else self.method} {self.path}"

    def match(self, path: str) -> dict[str, str] | None:
        """The path parameters, still encoded as they came; None for another path."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))


@dataclass(frozen=True)
class Schedule:
    """One schedule event: how often, in seconds, and what the function is given."""

    every: float
    event: Event


@dataclass(frozen=True)
class Function:
    """One function of serverless.yml. `reserved_concurrency` is None where nothing is reserved."""

    name: str
    handler: str
    timeout: float
    memory_mb: int
    routes: tuple[Route, ...]
    schedules: tuple[Schedule, ...]
    reserved_concurrency: int | None

    def resolve(self) -> Callable[[Event, Context], Any]:
        """The handler, imported by name; raises what the import raises."""
        module, _, attribute = self.handler.rpartition(".")
        return getattr(import_module(module.replace("/", ".")), attribute)

    def invoke(self, event: Event) -> Any:
        """Calls the handler in this thread, as a fresh request with all its time left."""
        return self.resolve()(event, Context(self))


class Context:
    """What Lambda tells a handler about itself: one for each invocation."""

    function_version = "$LATEST"
    log_stream_name = "local"
    client_context = None
    identity = None

    def __init__(self, function: Function) -> None:
        self.function_name = function.name
        self.memory_limit_in_mb = function.memory_mb
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
        self.log_group_name = f"/aws/lambda/{function.name}"
        self.aws_request_id = str(uuid4())
        self._deadline = time.monotonic() + function.timeout

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the function's timeout, never below 0."""
        return max(0, round(1000 * (self._deadline - time.monotonic())))


def load(file: Path = SERVERLESS_YML) -> dict[str, Function]:
    """The functions by name. Variables (`${…}`) and tags are left unresolved."""
    document: Section = yaml.load(file.read_text(), Loader=_Loader) or {}  # noqa: S506 - a SafeLoader
    provider: Section = document.get("provider") or {}
    entries: dict[str, Section] = document.get("functions") or {}
    return {name: _function(name, entry, provider) for name, entry in entries.items()}


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's tags as the plain values that they stand on."""


def _plain(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(cast("yaml.ScalarNode", node))


_Loader.add_multi_constructor("!", _plain)  # pyright: ignore[reportUnknownMemberType] - yaml's stub lacks it


def _function(name: str, entry: Section, provider: Section) -> Function:
    events: list[dict[str, Any]] = entry.get("events") or []
    return Function(
        name=name,
        handler=entry["handler"],
        timeout=_number(entry, provider, "timeout", DEFAULT_TIMEOUT_SECONDS),
        memory_mb=int(_number(entry, provider, "memorySize", DEFAULT_MEMORY_MB)),
        routes=tuple(_route(event["httpApi"]) for event in events if "httpApi" in event),
        schedules=tuple(_schedule(event["schedule"]) for event in events if "schedule" in event),
        reserved_concurrency=entry.get("reservedConcurrency"),
    )


def _number(entry: Section, provider: Section, key: str, default: float) -> float:
    given = entry.get(key, provider.get(key))
    return given if isinstance(given, (int, float)) else default


def _route(event: Mapping[str, str] | str) -> Route:
    if isinstance(event, str):
        method, _, path = event.partition(" ")
    else:
        method, path = event["method"], event["path"]
    return Route(ANY_METHOD if method.upper() in {"ANY", "*"} else method.upper(), path)


def _schedule(event: Mapping[str, Any] | str) -> Schedule:
    rate, given = (event, None) if isinstance(event, str) else (event["rate"], event.get("input"))
    expression = rate if isinstance(rate, str) else rate[0]
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression.strip())
    if found is None:
        raise LocalError(f"serverless.yml: the local stack does not know the schedule {expression!r}, only rate(…).")
    return Schedule(int(found[1]) * SECONDS_OF[found[2]], given or _scheduled_event())


def _scheduled_event() -> Event:
    return {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def find_route(
    functions: Mapping[str, Function], method: str, path: str
) -> tuple[Function, Route, dict[str, str]] | None:
    """The route that API Gateway would take: literal paths before parameters, the method itself before `*`."""
    found = [
        (function, route, parameters)
        for function in functions.values()
        for route in function.routes
        if route.method in {method, ANY_METHOD} and (parameters := route.match(path)) is not None
    ]
    return min(found, key=lambda entry: (len(entry[2]), entry[1].method == ANY_METHOD), default=None)
