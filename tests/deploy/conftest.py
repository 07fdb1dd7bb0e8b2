"""What is deployed, made once: the artifact for this machine's own platform, unpacked, and the template of a stage."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from local import package
from local.processes import ROOT
from tests.deploy.runtime import EMULATED
from tests.functions.conftest import sign as sign  # a fixture, here too

if TYPE_CHECKING:
    from pathlib import Path

Template = dict[str, Any]
ORIGINS = ["https://app.example.com", "https://admin.example.com"]
MACHINE = "arm64" if EMULATED else {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]


@pytest.fixture(scope="session")
def artifact(folder: Path) -> Path:
    """The zip, with the compiled wheels of what executes it here."""
    return package.build(folder / "batchline.zip", MACHINE)


@pytest.fixture(scope="session")
def unpacked(artifact: Path, folder: Path) -> Path:
    """The folder that Lambda would call /var/task."""
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(folder / "task")  # our own
    return folder / "task"


@pytest.fixture(scope="session")
def packaged(folder: Path) -> Path:
    """What `serverless package` writes for prod, which has all that any stage has; the artifact need only be there."""
    service = folder / "service"
    for name in ("serverless.yml", "package.json"):
        service.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, service)
    for name in ("deploy", "node_modules"):
        (service / name).symlink_to(ROOT / name)
    (service / "dist").mkdir()
    with zipfile.ZipFile(service / "dist/batchline.zip", "w"):
        pass
    command = [ROOT / "node_modules/.bin/serverless", "package", "--stage", "prod", "--package", folder / "packaged"]
    settings = {"SUPABASE_URL": "https://project.supabase.example", "CORS_ALLOWED_ORIGINS": ", ".join(ORIGINS)}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
    done = subprocess.run(command, cwd=service, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "packaged"


@pytest.fixture(scope="session")
def bucket_template(packaged: Path) -> Template:
    """The first of the two: the bucket that artifacts are uploaded to."""
    return json.loads((packaged / "cloudformation-template-create-stack.json").read_text())


@pytest.fixture(scope="session")
def template(packaged: Path) -> Template:
    """The second: everything."""
    return json.loads((packaged / "cloudformation-template-update-stack.json").read_text())


@pytest.fixture(scope="session")
def resources(template: Template) -> dict[str, Template]:
    return template["Resources"]
