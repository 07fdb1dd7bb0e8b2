"""The receivers of docs/notices.md, run as they stand, and told by the processor."""

from __future__ import annotations

import os
import re
import socket
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from local.processes import ROOT, free_ports
from shared.notices import EVENTS
from tests.dialer.harness import until
from tests.notices.harness import Told, run
from tests.processes import spawned

if TYPE_CHECKING:
    from tests.sql.world import World

TEXT = (ROOT / "docs/notices.md").read_text()
PROGRAMS = dict(re.findall(r"^```(python|js)\n(.+?)^```$", TEXT, re.MULTILINE | re.DOTALL))
RUN = {"python": [sys.executable, "-W", "error", "-c"], "js": ["node", "--input-type=module", "-e"]}


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("language", RUN)
def test_a_receiver_takes_each_notice_once_and_refuses_what_is_not_signed(language: str, world: World) -> None:
    (port,) = free_ports(1)
    told = Told(world)
    told.set_endpoint(f"http://127.0.0.1:{port}/hooks")
    environment = os.environ | {"PORT": f"{port}", "NOTICE_SECRET": told.secret}
    command = [*RUN[language], PROGRAMS[language]]

    with spawned(command, env=environment) as receiver:
        try:
            until(lambda: listens(port))
            batch_id = world.processing(2)
            world.cancel(batch_id)
            assert run() == {"delivered": 4, "failed": 0, "waiting": 0}
            told.replay(told.notices()[0]["batch_id"], told.notices()[0]["id"])
            assert run() == {"delivered": 1, "failed": 0, "waiting": 0}
            forged = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
            assert httpx.post(f"http://127.0.0.1:{port}/", content=b"{}", headers=forged).status_code == 401
        finally:
            receiver.terminate()
        printed, _ = receiver.communicate(timeout=10)

    finished = ["contact.finished skipped"] * 2
    assert printed.splitlines() == ["batch.started processing", "batch.cancelled cancelled", *finished]


def test_every_event_is_in_the_docs() -> None:
    for event in EVENTS:
        assert f"| `{event}` |" in TEXT
