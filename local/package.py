"""The artifact that is deployed: one zip for all functions, the same bytes for the same sources wherever it is made.

Wheels come by pip, checked against the hashes of requirements.lock, for Lambda's platform and not for this machine.
Every module is compiled beforehand into an unchecked hash-based `.pyc` (PEP 552): those with time stamps do not outlive
the zip, and Lambda, which cannot write beside the code, would compile everything again at each cold start.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from local.processes import ROOT, LocalError

ARTIFACT = ROOT / "dist" / "batchline.zip"
PYTHON = "3.11"  # of the runtime in serverless.yml; the compiler must be the same
ARCHITECTURE = "arm64"  # a fifth cheaper than x86_64; the variable of this name chooses, here and in serverless.yml
PLATFORMS = {"arm64": "aarch64", "x86_64": "x86_64"}
ELF_MACHINES = {"arm64": 183, "x86_64": 62}
# The python3.11 runtime is Amazon Linux 2: a wheel for manylinux_2_28 would install and fail at its first import there.
GLIBC = (2, 26)
MANYLINUX = ("manylinux_2_17", "manylinux2014")
LIMIT_BYTES = 20_000_000
LONG_AGO = (1980, 1, 1, 0, 0, 0)

# boto3 is in the runtime as well, but in a version that changes under us; ours is pinned, and without the descriptions
# of the 400 services that nobody asks, 16 MB become one.
SERVICES = {"s3", "sqs", "ssm"}
UNUSED = (
    # Names of places and carriers: of phonenumbers only the plans of numbers and the time zones are used.
    "phonenumbers/geodata", "phonenumbers/carrierdata",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui",  # a page that no function serves
    "postgrest", "yarl", "multidict", "propcache", "deprecation.py",  # the database is asked over httpx alone
    "bin",
)  # fmt: skip
COMPILE = """
import compileall, py_compile, sys
done = compileall.compile_dir(
    sys.argv[1], quiet=1, force=True, stripdir=sys.argv[1], prependdir="/var/task",
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
)
sys.exit(not done)
"""


def build(target: Path = ARTIFACT, architecture: str = ARCHITECTURE) -> Path:
    """Write the zip and return where it is.

    Raises LocalError when pip fails, this Python is not the runtime's, what pip installed does not load on Lambda, or
    the zip is larger than 20 MB.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON:
        raise LocalError(f"The package must be compiled by Python {PYTHON}, the runtime's; this is {sys.version}.")
    with tempfile.TemporaryDirectory(prefix="batchline-package-") as name:
        folder = Path(name)
        install(folder, architecture)
        _trim(folder)
        check_compiled(folder, architecture)
        for package in ("functions", "shared"):
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        compile_and_zip(folder, target)
    if target.stat().st_size > LIMIT_BYTES:
        raise LocalError(f"{target} has {target.stat().st_size:,} bytes, more than {LIMIT_BYTES:,}.")
    return target


def compile_and_zip(folder: Path, target: Path) -> None:
    """Compile what is in the folder, and pack it in an order, with times and rights that do not depend on this machine.

    Raises LocalError where a module cannot be compiled.
    """
    _compile(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    _zip(folder, target)


def check_compiled(folder: Path, architecture: str) -> None:
    """Hold every compiled module to what loads on Lambda: its machine, its Python, its glibc. Raises LocalError."""
    python = f".cpython-{PYTHON.replace('.', '')}-{PLATFORMS[architecture]}-"
    for path in sorted(folder.rglob("*.so*")):
        content = path.read_bytes()
        asked = [(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", content)]
        if content[:4] != b"\x7fELF" or int.from_bytes(content[18:20], "little") != ELF_MACHINES[architecture]:
            raise LocalError(f"{path.name} is not compiled for {architecture}.")
        if ".cpython-" in path.name and python not in path.name:
            raise LocalError(f"{path.name} is not compiled for Python {PYTHON} on {architecture}.")
        if max(asked, default=GLIBC) > GLIBC:
            raise LocalError(f"{path.name} needs glibc {'.'.join(map(str, max(asked)))}, newer than Lambda's.")


def install(folder: Path, architecture: str) -> None:
    """What requirements.lock names, as wheels for Lambda's platform. Raises LocalError when pip fails."""
    machine = PLATFORMS[architecture]
    platforms = [f"--platform={manylinux}_{machine}" for manylinux in MANYLINUX]
    options = ["--only-binary=:all:", "--no-deps", "--no-compile", "--require-hashes", f"--python-version={PYTHON}"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *options, *platforms, f"--target={folder}"]
    done = subprocess.run([*command, "-r", ROOT / "requirements.lock"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalError(f"pip could not install requirements.lock for {architecture}:\n{done.stderr[-2000:]}")


def _trim(folder: Path) -> None:
    for unused in UNUSED:
        path = folder / unused
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for service in folder.glob("boto*/data/*"):
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for tests in [path for path in folder.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests)
    for installed in folder.glob("*.dist-info"):
        for record in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
            (installed / record).unlink(missing_ok=True)


def _compile(folder: Path) -> None:
    # In a process of its own, with one seed: what a .pyc holds may depend on what its compiler did before.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-s", "-P", "-c", COMPILE, folder]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise LocalError("Not every module can be compiled.")


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
            archive.writestr(entry, path.read_bytes())


def main() -> None:
    """`python -m local.package`: write dist/batchline.zip."""
    parser = argparse.ArgumentParser(prog="make package", description=main.__doc__)
    chosen = os.environ.get("ARCHITECTURE", ARCHITECTURE)
    parser.add_argument("--architecture", choices=PLATFORMS, default=chosen)
    parser.add_argument("--to", type=Path, default=ARTIFACT)
    asked = parser.parse_args()
    try:
        made = build(asked.to, asked.architecture)
    except LocalError as error:
        sys.exit(str(error))
    print(f"{made}: {made.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
