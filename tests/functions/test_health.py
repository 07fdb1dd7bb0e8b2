from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.processes import ROOT
from shared import health
from shared.version import VERSION
from tests.calling import call
from tests.functions.conftest import forget
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Asked

TOO_OLD_TO_SAY = b'{"code": "PGRST202", "message": "Could not find the function batchline.schema_version"}'
BEHIND = (503, "The database lacks migrations of this version")


def test_anybody_learns_what_runs_in_one_round_trip(counted: list[Asked]) -> None:
    newest = max(path.name for path in (ROOT / "sql/migrations").glob("*.sql"))

    reply = call("health")

    assert reply.status == 200
    assert reply.body == {"status": "ok", "version": VERSION, "schema_version": newest.partition("_")[0]}
    assert len(counted) == 1


def test_what_a_probe_adds_to_the_path_does_no_harm() -> None:
    assert call("health", "no token", query={"at": "1"}).status == 200


def test_it_may_only_be_read() -> None:
    assert call("health", method="POST").error == (405, "HTTP method is not GET")
    assert call("health", method="OPTIONS").status == 204


def test_without_a_database_nothing_can_be_served(database_away: Callable[[], None]) -> None:
    database_away()

    reply = call("health")

    assert reply.error == (503, "The database cannot be reached")
    assert (reply.body["code"], reply.body.keys()) == ("unavailable", {"error", "code", "request_id"})


def test_a_database_that_lacks_migrations_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SCHEMA_VERSION", "29990101000000")

    reply = call("health")

    assert (reply.error, reply.body["code"]) == (BEHIND, "database_behind")


def test_a_database_that_is_ahead_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SCHEMA_VERSION", "20200101000000")

    assert call("health").status == 200


@pytest.mark.parametrize("answer", [(404, TOO_OLD_TO_SAY), (200, b"null")], ids=["no function", "no record"])
def test_a_database_from_before_all_this_is_behind(answer: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _asked: answer) as old:
        monkeypatch.setenv("SUPABASE_REST_URL", old.url)
        forget()
        reply = call("health")
    monkeypatch.undo()
    forget()

    assert reply.error == BEHIND
