"""The tree is the architecture: functions → shared → sql, thin handlers, and no status written outside the database."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from local.functions import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
FUNCTIONS = load()
CALLED = [name for name, function in FUNCTIONS.items() if function.routes]
HANDLERS = sorted(ROOT.glob("functions/*/handler.py"))
SHARED = sorted(ROOT.glob("shared/**/*.py"))
SQL_FILES = sorted(ROOT.glob("sql/schema/*.sql"))
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
SQL_WRITE = re.compile(r"\b(insert\s+into|update\s+\w+(\.\w+)?\s+set|delete\s+from|set\s+status)\b", re.IGNORECASE)
DESCRIPTIVE = {"schema", "row_level_security", "grants"}
OURS = {"functions", "shared", "local", "tests", "benchmarks", "ops"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """The top-level package and, of ours, the module of everything that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)} imports relatively"
            yield node.module or ""


def test_serverless_yml_lists_every_function_folder_and_nothing_else() -> None:
    on_disk = {path.parent.name: f"functions/{path.parent.name}/handler.main" for path in HANDLERS}

    assert {name: function.handler for name, function in FUNCTIONS.items()} == on_disk


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_resolves_as_lambda_resolves_it(name: str) -> None:
    module, function = FUNCTIONS[name].handler.rsplit(".", 1)

    assert callable(getattr(import_module(module.replace("/", ".")), function))


def test_a_kebab_folder_holds_a_handler_and_is_no_package() -> None:
    for folder in {path.parent for path in HANDLERS}:
        assert [path.name for path in folder.iterdir() if path.name != "__pycache__"] == ["handler.py"]
    assert (ROOT / "functions/__init__.py").exists()


@pytest.mark.parametrize("name", [name for name in CALLED if not name.startswith("batch-call-")])
def test_each_path_is_one_route_for_any_method_named_as_the_function(name: str) -> None:
    (route,) = FUNCTIONS[name].routes

    assert route.method == "*"
    assert re.fullmatch(rf"/{name}(/{{\w+}})?", route.path)


@pytest.mark.parametrize("name", [name for name in CALLED if name.startswith("batch-call-")])
def test_each_path_of_the_batch_call_contract_is_that_of_endpoints(name: str) -> None:
    (route,) = FUNCTIONS[name].routes

    verb = name.removeprefix("batch-call-")
    of_one = "/batch-call/{batch_call_id}"
    paths = {"create": "/batch-call", "list": "/batch-call/list", "execute": f"{of_one}/execute"}
    assert route.path == paths.get(verb, f"{of_one}/tasks" if verb == "tasks" else of_one)


def test_of_the_functions_that_share_a_path_one_serves_the_methods_that_no_other_does() -> None:
    routes = [(route, name) for name in CALLED for route in FUNCTIONS[name].routes]

    for path in {route.path for route, _ in routes}:
        methods = [route.method for route, _ in routes if route.path == path]
        assert methods.count("*") == 1, path
        assert len(methods) == len(set(methods)), path


def test_a_function_is_either_called_over_http_or_by_a_schedule() -> None:
    for name, function in FUNCTIONS.items():
        assert bool(function.routes) != bool(function.schedules), name


def test_serverless_yml_holds_no_secret() -> None:
    document = yaml.safe_load(re.sub(r"!\w+ ", "", (ROOT / "serverless.yml").read_text()))
    stages = document["params"].values()

    for values in (document["provider"]["environment"], *stages):
        for name, value in values.items():
            assert "KEY" not in name.upper() or value.startswith(("{{resolve:", "${")), name


@pytest.mark.parametrize("path", HANDLERS, ids=relative)
def test_a_handler_is_thin_and_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    (main,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))

    assert len(path.read_text().splitlines()) < 40
    assert main.name == "main"
    assert (main.end_lineno or 0) - main.lineno < 15
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", HANDLERS, ids=relative)
def test_a_function_imports_shared_and_no_other_function(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & OURS == {"shared"}


@pytest.mark.parametrize("path", SHARED, ids=relative)
def test_shared_imports_nothing_of_ours_but_itself(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & OURS <= {"shared"}


@pytest.mark.parametrize("path", [*HANDLERS, *SHARED], ids=relative)
def test_what_is_deployed_imports_only_what_is_deployed(path: Path) -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    names = {re.split(r"[\[<>=]", tool)[0].replace("-", "_") for tool in tools} | {"yaml"}

    assert not {name.split(".")[0] for name in imports(path)} & names


@pytest.mark.parametrize("path", [*HANDLERS, *SHARED], ids=relative)
def test_no_python_writes_a_status(path: Path) -> None:
    """The database is reached by its functions alone: no tables, no SQL, no row that could carry a status."""
    tree = ast.parse(path.read_text())
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}

    assert not called & {"table", "from_", "upsert"}
    for text in texts:
        assert text in docstrings or not SQL_WRITE.search(text), text


def test_only_database_py_knows_where_postgrest_is() -> None:
    knowing = [
        relative(path) for path in [*HANDLERS, *SHARED] if re.search(r"rest_url|/rest/v1|/rpc/", path.read_text())
    ]

    assert knowing == ["shared/database.py", "shared/settings.py"]


@pytest.mark.parametrize("path", SHARED, ids=relative)
def test_a_module_of_shared_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", SQL_FILES, ids=relative)
def test_a_schema_file_is_numbered_and_named_after_what_it_creates(path: Path) -> None:
    match = re.fullmatch(r"\d{3}_(\w+)\.sql", path.name)
    assert match, "three digits, an underscore, a name"
    created = re.findall(
        r"^create (?:function|(?:unlogged )?table|view) (?:\w+\.)?(\w+)", path.read_text(), re.MULTILINE
    )

    assert created == [match[1]] or match[1] in DESCRIPTIVE
