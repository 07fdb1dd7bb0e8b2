"""One job of the long run: a stack of its own; once it is ready, blocks in (a line of JSON each) and outcomes out."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import stamina

from local.stack import Stack
from shared import sync
from shared.settings import settings
from tests.attacks import blocks, files, plan
from tests.attacks.blocks import Block
from tests.attacks.checks import Document
from tests.attacks.ground import Ground
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.attacks.blocks import Outcome
    from tests.servers import Served

READY = "ready"


@contextmanager
def prepared() -> Generator[tuple[Ground, Served]]:
    """A stack, whose settings are in the environment; and a provider of past calls that says what it is told to."""
    for name in [name for name in os.environ if name.endswith("_SECONDS") or name == "DATABASE_URL"]:
        del os.environ[name]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchline-")))
        parts = stack.enter_context(Stack(folder / "stack", durable=False))
        provider = stack.enter_context(serving(lambda _: (404, b"")))
        os.environ.update({name: value for name, value in parts.env.items() if name != "DATABASE_URL"})
        settings.cache_clear()
        stamina.set_testing(True, attempts=sync.FETCHES)  # repeats at once
        connection = stack.enter_context(psycopg.connect(parts.database_url, autocommit=True))
        issuer, stage = f"{parts.url}/auth/v1", parts.env["STAGE"]
        yield Ground(parts.env["FUNCTIONS_URL"], issuer, stage, parts.folder / "keys.json", connection), provider


def run(block: Block, ground: Ground, document: Document, provider: Served) -> Outcome:
    """A block of any kind."""
    if block.kind == plan.LISTS:
        return files.run_lists(block, ground)
    if block.kind == plan.PAGES:
        with _asking(provider):
            return files.run_pages(block, ground, provider)
    return blocks.run(block, ground, document)


@contextmanager
def _asking(provider: Served) -> Generator[None]:
    """What runs in this process asks another provider than the stack's simulator."""
    usual = os.environ["ULTRAVOX_BASE_URL"]
    os.environ["ULTRAVOX_BASE_URL"] = provider.url
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ["ULTRAVOX_BASE_URL"] = usual
        settings.cache_clear()


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # where the processors write their logs and metrics
    document = Document()
    with prepared() as (ground, provider):
        print(READY, file=answers, flush=True)
        for line in sys.stdin:
            outcome = run(Block(**json.loads(line)), ground, document, provider)
            print(json.dumps(vars(outcome) | {"block": None}), file=answers, flush=True)


if __name__ == "__main__":
    main()
