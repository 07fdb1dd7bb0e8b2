"""What a function loads before its first request: each package costs every cold start, so each stands in a table."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.functions import load
from local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTIONS = load()

EVERY = {
    "aws_lambda_powertools", "jmespath",  # the log
    "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection",  # what is sent and shown
    "httpx", "idna", "stamina", "tenacity",  # the database
}  # fmt: skip
WITHOUT_TOKEN = {"health", "webhook-ingest", "call-opt-out"}
BY_TOKEN = {"jwt", "cryptography"}
MORE: Mapping[str, set[str]] = {
    "calls-batch-create": {"phonenumbers"},
    "calls-batch-append": {"phonenumbers"},
    "batch-call-create": {"phonenumbers"},
    "do-not-call-add": {"phonenumbers"},
    "do-not-call-remove": {"phonenumbers"},
    "do-not-call-list": {"phonenumbers"},
    "person-erase": {"phonenumbers"},
    "process-contact-imports": {"phonenumbers"},
    "process-notices": {"standardwebhooks"},
}
# Each in a process of its own, forked from one that has loaded what all of them load.
EACH = """
import os, sys
from importlib import import_module
sys.modules["click"] = None  # with it httpx has a command line; the package that is deployed has neither
import shared.database, shared.edge
def loaded():
    return [name for name, module in sys.modules.items() if module]
print("every", *loaded(), flush=True)
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        import_module(f"functions.{name}.handler")
        print(name, *loaded(), flush=True)
        break
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """The modules that each function loads; `every`: the edge and the way to the database, with which all begin."""
    command = [sys.executable, "-c", EACH, *FUNCTIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=100)
    found = {name: set(modules) for name, *modules in map(str.split, done.stdout.splitlines())}
    assert found.keys() == {"every", *FUNCTIONS}, done.stderr
    return found


def packages(modules: set[str]) -> set[str]:
    """Those that are neither Python's own nor ours."""
    tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"functions", "shared"}
    if "botocore.session" not in modules:  # Powertools asks for the empty top of it only, to say who it is
        tops.discard("botocore")
    return {top for top in tops if not top.startswith("_")}


def test_edge_and_database_load_what_every_function_needs_and_nothing_else(loaded: Mapping[str, set[str]]) -> None:
    assert packages(loaded["every"]) == EVERY


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_loads_what_its_first_request_needs_and_nothing_else(
    name: str, loaded: Mapping[str, set[str]]
) -> None:
    by_token = FUNCTIONS[name].routes and not name.startswith("batch-call-") and name not in WITHOUT_TOKEN

    assert packages(loaded[name]) == EVERY | (BY_TOKEN if by_token else set()) | MORE.get(name, set())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_without_the_types_of_its_answers(name: str, loaded: Mapping[str, set[str]]) -> None:
    assert f"functions.{name}.handler" in loaded[name]
    assert not {module for module in loaded[name] if module.endswith("_answers")}


def test_the_table_names_no_function_that_is_gone() -> None:
    assert MORE.keys() <= FUNCTIONS.keys()
    assert FUNCTIONS.keys() >= WITHOUT_TOKEN
