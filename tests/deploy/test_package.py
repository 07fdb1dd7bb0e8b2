"""The artifact: what is in it, that it is the same each time, and that each handler runs from it as on Lambda."""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from local import package
from local.processes import ROOT, LocalError
from tests.calling import FUNCTIONS, event, reply
from tests.deploy.conftest import MACHINE
from tests.deploy.runtime import make_client, running
from tests.factories import make_api_key
from tests.functions.test_every_endpoint import ENDPOINTS
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from local.stack import Stack
    from tests.deploy.runtime import Runtime
    from tests.factories import Connection
    from tests.functions.conftest import Sign

UNCHECKED_HASH = 0b01
BY_KEY = [name for name in FUNCTIONS if name.startswith("batch-call-")]
SIGNED = [name for name, function in FUNCTIONS.items() if any("{agency_id}" in one.path for one in function.routes)]
SCHEDULED = [name for name, function in FUNCTIONS.items() if function.schedules]
SHORT_SECONDS = 10  # too little for a turn, or for a page: a run that ends at once
UNKNOWN = "batch_call_00000000000000000000000000000000"


@pytest.fixture(scope="session")
def client(folder: Path) -> Path:
    return make_client(folder / "client")


@contextmanager
def started(name: str, unpacked: Path, client: Path, stack: Stack) -> Generator[Runtime]:
    log = stack.folder / f"{name}.log"
    env = {key: value for key, value in stack.env.items() if key != "DATABASE_URL"}
    with running(FUNCTIONS[name], unpacked, client, env, log) as runtime:
        try:
            yield runtime
        except BaseException as error:
            error.add_note(log.read_text()[-3000:])
            raise


def test_every_module_is_compiled_into_an_unchecked_hash_based_pyc(artifact: Path) -> None:
    with zipfile.ZipFile(artifact) as archive:
        names = set(archive.namelist())
        compiled = {name for name in names if name.endswith(".pyc")}
        for name in compiled:
            head = archive.read(name)[:16]
            source = archive.read(importlib.util.source_from_cache(name))
            assert head[:4] == importlib.util.MAGIC_NUMBER, name
            assert struct.unpack("<I", head[4:8]) == (UNCHECKED_HASH,), name
            assert head[8:] == importlib.util.source_hash(source), name
    modules = {name for name in names if name.endswith(".py")}
    assert {importlib.util.cache_from_source(name) for name in modules} == compiled


def test_it_holds_what_runs_and_nothing_else(artifact: Path) -> None:
    with zipfile.ZipFile(artifact) as archive:
        names = archive.namelist()

    tops = {name.split("/")[0] for name in names}
    assert {"functions", "shared"} <= tops
    assert not tops & {"tests", "docs", "local", "sql", "benchmarks", "pytest", "moto", "supabase", "bin"}
    assert artifact.stat().st_size <= package.LIMIT_BYTES


def test_a_second_checkout_makes_the_same_zip(artifact: Path, folder: Path) -> None:
    """Elsewhere, with other rights, times, zone, language and seed."""
    checkout = folder / "elsewhere" / "deeper"
    for name in ("functions", "shared", "local"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored, copy_function=shutil.copyfile)
    shutil.copyfile(ROOT / "requirements.lock", checkout / "requirements.lock")
    for place, path in enumerate(sorted(checkout.rglob("*.py"))):
        os.utime(path, (place, place))
    other = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "12345", "PYTHONUTF8": "0"}
    again = folder / "again.zip"

    command = [sys.executable, "-m", "local.package", "--to", str(again), "--architecture", MACHINE]
    done = subprocess.run(
        command,
        cwd=checkout,
        env={**os.environ, **other},
        umask=0o077,
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert differences(artifact, again) == []
    assert again.read_bytes() == artifact.read_bytes()


def differences(one: Path, other: Path) -> list[str]:
    """What a person wants to know when the bytes differ: which entries do."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        entries = [
            {entry.filename: (entry.CRC, entry.external_attr) for entry in zipped.infolist()}
            for zipped in (first, second)
        ]
    return sorted(
        name for name in entries[0].keys() | entries[1].keys() if entries[0].get(name) != entries[1].get(name)
    )


def test_what_is_compiled_for_arm64_loads_on_lambda(folder: Path) -> None:
    """Which is the architecture that is deployed. To execute it takes arm64.sh."""
    package.install(folder / "arm64", "arm64")
    compiled = [path.name for path in (folder / "arm64").rglob("*.so*")]

    package.check_compiled(folder / "arm64", "arm64")

    assert any(name.startswith("_pydantic_core.cpython-311-aarch64") for name in compiled)
    assert "_rust.abi3.so" in compiled
    with pytest.raises(LocalError, match="not compiled for x86_64"):
        package.check_compiled(folder / "arm64", "x86_64")


@pytest.mark.parametrize(
    ("name", "machine", "content", "refusal"),
    [
        ("_rust.abi3.so", 62, b"", "_rust.abi3.so is not compiled for arm64"),
        ("_rust.abi3.so", 183, b"\0GLIBC_2.17\0GLIBC_2.28\0", "needs glibc 2.28, newer than Lambda's"),
        ("x.cpython-312-aarch64-linux-gnu.so", 183, b"", "not compiled for Python 3.11 on arm64"),
    ],
)
def test_what_does_not_load_on_lambda_is_not_packed(
    name: str, machine: int, content: bytes, refusal: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + content)

    with pytest.raises(LocalError, match=refusal):
        package.check_compiled(tmp_path, "arm64")


def test_every_handler_is_in_the_zip(artifact: Path) -> None:
    with zipfile.ZipFile(artifact) as archive:
        names = set(archive.namelist())

    assert {f"{function.handler.removesuffix('.main')}.py" for function in FUNCTIONS.values()} <= names


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_a_person_is_answered_through_the_runtime_interface(
    endpoint: Any,
    stack: Stack,
    unpacked: Path,
    client: Path,
    db: Connection,
    sign: Sign,
) -> None:
    world = World(db)
    good = endpoint.good(world)
    given: dict[str, Any] = {"body": good} if endpoint.posts else {"query": good}

    with started(endpoint.name, unpacked, client, stack) as runtime:
        stranger = reply(runtime.invoke(event(endpoint.name, None, **given)))
        owner = reply(runtime.invoke(event(endpoint.name, sign(world.agency.owner), **given)))

    assert stranger.status == 401
    assert owner.status in (200, 201), owner.text


@pytest.mark.parametrize("name", BY_KEY)
def test_a_program_is_answered_through_the_runtime_interface(
    name: str, stack: Stack, unpacked: Path, client: Path, db: Connection
) -> None:
    key = make_api_key(db, World(db).agency)
    method = FUNCTIONS[name].routes[0].method.replace("*", "POST" if name.endswith(("create", "execute")) else "GET")
    path = {"batch_call_id": UNKNOWN} if "{" in FUNCTIONS[name].routes[0].path else {}
    given: dict[str, Any] = {"method": method, "path_parameters": path}
    if method in ("POST", "PATCH"):
        given["body"] = {"name": "another"} if name.endswith("update") else {}
    asked = event(name, headers=key.headers, **given)

    with started(name, unpacked, client, stack) as runtime:
        answer = reply(runtime.invoke(asked))

    expected = {"batch-call-list": 200, "batch-call-create": 400}
    assert answer.status == expected.get(name, 404), answer.text


@pytest.mark.parametrize("name", SIGNED)
def test_the_provider_is_answered_through_the_runtime_interface(
    name: str, stack: Stack, unpacked: Path, client: Path
) -> None:
    asked = event(name, body={"event": "call.ended"}, path_parameters={"agency_id": "unknown"})

    with started(name, unpacked, client, stack) as runtime:
        assert reply(runtime.invoke(asked)).status == 401


def test_anybody_is_told_of_its_health_through_the_runtime_interface(
    stack: Stack, unpacked: Path, client: Path
) -> None:
    with started("health", unpacked, client, stack) as runtime:
        answer = reply(runtime.invoke(event("health")))

    assert (answer.status, answer.body["status"]) == (200, "ok")


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_processor_runs_through_the_runtime_interface(name: str, stack: Stack, unpacked: Path, client: Path) -> None:
    short = replace(FUNCTIONS[name], timeout=SHORT_SECONDS)
    log = stack.folder / f"{name}.log"

    with running(short, unpacked, client, stack.env, log) as runtime:
        assert runtime.invoke({"source": "aws.scheduler"})["processed"] == 0
