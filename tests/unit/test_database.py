from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared import database
from shared.auth import Caller
from shared.errors import DatabaseError, NotFoundError, UnauthorizedError
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Asked, Served

    Answer = tuple[int, bytes] | None

CALLER = Caller(UUID("5f9f1b7e-4d1b-4a53-9a3f-1d2c3b4a5f60"), "the.users.token")


def refusing(code: str, message: str = "no", details: object = None, status: int = 400) -> Answer:
    text = None if details is None else json.dumps(details)
    return status, json.dumps({"code": code, "message": message, "details": text, "hint": None}).encode()


def in_turn(*answers: Answer) -> Callable[[Asked], Answer]:
    left = iter(answers)
    return lambda _: next(left)


def test_the_service_calls_a_function_of_schema_batchline(postgrest: Served) -> None:
    assert database.rpc("authorize", {"p_user_id": CALLER.user_id, "p_writes": True}) == {"ok": True}

    (asked,) = postgrest.asked
    assert (asked.method, asked.path) == ("POST", "/rpc/authorize")
    assert json.loads(asked.body) == {"p_user_id": str(CALLER.user_id), "p_writes": True}
    assert asked.headers["Content-Profile"] == "batchline"


def test_a_large_body_is_named_in_the_url_so_that_it_need_not_be_read(postgrest: Served) -> None:
    database.rpc("record_sync_page", {"p_job_id": 1, "p_page": {}}, large=True)

    (asked,) = postgrest.asked
    assert asked.path == "/rpc/record_sync_page?columns=p_job_id,p_page"
    assert json.loads(asked.body) == {"p_job_id": 1, "p_page": {}}
    assert (asked.headers["apikey"], asked.headers["Authorization"]) == ("service", "Bearer service")


def test_the_caller_calls_a_function_of_schema_public_with_their_own_token(postgrest: Served) -> None:
    database.rpc_as(CALLER, "list_call_batches", {})

    (asked,) = postgrest.asked
    assert asked.headers["Content-Profile"] == "public"
    assert (asked.headers["apikey"], asked.headers["Authorization"]) == ("anon", "Bearer the.users.token")


def test_a_function_that_returns_nothing_answers_none(postgrest: Served) -> None:
    postgrest.answer = lambda _: (204, b"")

    assert database.rpc("sweep", {}) is None


def test_a_refusal_is_raised_as_its_error_and_asked_once(postgrest: Served) -> None:
    postgrest.answer = lambda _: refusing("PT404", "Batch not found", {"code": "batch_not_found"}, 404)

    with pytest.raises(NotFoundError, match="Batch not found") as refused:
        database.rpc("pause_call_batch", {})
    assert refused.value.code == "batch_not_found"
    assert len(postgrest.asked) == 1


@pytest.mark.parametrize(
    ("answer", "sqlstate"),
    [
        (refusing("23505", "duplicate key"), "23505"),
        (refusing("PGRST202", "no such function", status=404), "PGRST202"),
        ((502, b"<html>bad gateway</html>"), None),
    ],
)
def test_any_other_answer_is_a_database_error(postgrest: Served, answer: Answer, sqlstate: str | None) -> None:
    postgrest.answer = lambda _: answer

    with pytest.raises(DatabaseError) as raised:
        database.rpc("f", {})
    assert raised.value.sqlstate == sqlstate
    assert len(postgrest.asked) == 1


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("code", ["40001", "40P01", "PGRST000", "PGRST003"])
def test_what_certainly_did_not_happen_is_asked_again(postgrest: Served, code: str, *, repeatable: bool) -> None:
    postgrest.answer = in_turn(refusing(code), refusing(code), (200, b"1"))

    assert database.rpc("f", {}, repeatable=repeatable) == 1
    assert len(postgrest.asked) == 3


def test_it_is_asked_three_times_and_not_more(postgrest: Served) -> None:
    postgrest.answer = lambda _: refusing("40001")

    with pytest.raises(DatabaseError):
        database.rpc("f", {})
    assert len(postgrest.asked) == 3


def test_a_connection_lost_after_sending_is_asked_again_only_where_that_changes_nothing(postgrest: Served) -> None:
    postgrest.answer = in_turn(None, (200, b"1"), None)

    assert database.rpc("settle_dials", {}) == 1
    with pytest.raises(DatabaseError, match="create_call_batch: no answer"):
        database.rpc("create_call_batch", {}, repeatable=False)
    assert len(postgrest.asked) == 3


def test_an_unreachable_database_is_a_database_error(postgrest: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_REST_URL", "http://127.0.0.1:9")  # discard: nothing listens
    settings.cache_clear()

    with pytest.raises(DatabaseError, match="no answer"):
        database.rpc("f", {}, repeatable=False)
    assert postgrest.asked == []


@pytest.mark.parametrize("code", ["PGRST301", "PGRST302", "PGRST303"])
def test_a_token_that_postgrest_refuses_is_the_callers_fault_and_a_key_is_ours(postgrest: Served, code: str) -> None:
    postgrest.answer = lambda _: refusing(code, "JWT expired", status=401)

    with pytest.raises(UnauthorizedError):
        database.rpc_as(CALLER, "list_call_batches", {})
    with pytest.raises(DatabaseError):
        database.rpc("authorize", {})
