"""shared/database.py as it is written with the umbrella client of Supabase, for benchmarks/cold_start.py.

It is in the counterpart's package in the place of the real one, so that all else of a handler is the same. The client
is made once, when the module is loaded, and asked as a caller by their token: both are the cheapest way it has.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
from postgrest.exceptions import APIError
from pydantic_core import to_jsonable_python
from supabase import create_client

from shared.errors import DatabaseError, UnauthorizedError, refusal
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.auth import Caller
    from shared.errors import AppError

PERHAPS_SENT = (httpx.NetworkError, httpx.RemoteProtocolError)
TOKEN_REFUSED = frozenset({"PGRST301", "PGRST302", "PGRST303"})

_key = settings().supabase_service_role_key.get_secret_value()
_supabase = create_client(settings().supabase_url, _key)


def rpc(
    function: str,
    params: Mapping[str, object],
    *,
    repeatable: bool = True,
    large: bool = False,
    seconds: float | None = None,
) -> Any:
    """As the real one, without its repetitions and other time-outs."""
    del repeatable, large, seconds
    _supabase.postgrest.auth(_key)
    return _executed("batchline", function, params)


def rpc_as(caller: Caller, function: str, params: Mapping[str, object]) -> Any:
    """As the real one."""
    _supabase.postgrest.auth(caller.token)
    try:
        return _executed("public", function, params)
    except DatabaseError as error:
        if error.sqlstate in TOKEN_REFUSED:
            raise UnauthorizedError from error
        raise


def client() -> httpx.Client:
    """What the signing keys are fetched with: the umbrella's own, so that it too makes no second one."""
    return _supabase.postgrest.session


def close() -> None:
    """Nothing is ever closed here: a process that is measured ends by itself."""


def _executed(schema: str, function: str, params: Mapping[str, object]) -> Any:
    try:
        return _supabase.schema(schema).rpc(function, to_jsonable_python(dict(params))).execute().data
    except APIError as error:
        raise _error(function, error) from error
    except httpx.HTTPError as error:
        raise DatabaseError(f"{function}: no answer ({error!r})") from error


def _error(function: str, error: APIError) -> AppError:
    code, message = error.code or "", error.message or ""
    with suppress(ValueError):
        if refused := refusal(code, message, error.details):
            return refused
    return DatabaseError(f"{function}: {code} {message}", sqlstate=code)
