"""What a caller may ask for in a minute, as far as it is for the functions: the database counts, in `count_request`.

A request that the database refuses is undone with its count, so it is counted by itself, in a second round trip. Who is
over the limit is told when to come back, and the container remembers it: until then neither their bodies are read nor
the database is asked. Nobody is refused whom the database would let in, since a place, once taken, is taken for a
minute; but a limit that an operator raises may be noticed that much later.
"""

from __future__ import annotations

import math
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from shared import database
from shared.clock import boottime
from shared.errors import AppError, DatabaseError, TooManyRequestsError, UnauthorizedError
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from shared.auth import Caller

MOST_REMEMBERED = 10_000  # a container's memory has an end; who is forgotten is counted by the database
_until: dict[tuple[object, ...], float] = {}  # who is over their limit, and when they may ask again


def limited(who: Caller, method: str) -> AbstractContextManager[None]:
    """Around all that is done for a request: a GET counts for no limit, everything else does.

    Raises TooManyRequestsError, with Retry-After, for a caller who is over it; also in the place of a refusal.
    """
    return nullcontext() if method == "GET" else _limited(who)


def close() -> None:
    """Forget who was told to wait."""
    _until.clear()


@contextmanager
def _limited(who: Caller) -> Generator[None]:
    _refuse_who_was_told_to_wait(who)
    try:
        try:
            yield
        except AppError as error:
            if error.rolled_back and not _is_over(error) and not _is_strange(error):
                _count(who)
            raise
    except TooManyRequestsError as error:
        _remember(who, error)
        raise


def _is_strange(error: AppError) -> bool:
    """Whether it says that the caller belongs to no agency, and so has no limit."""
    return isinstance(error, UnauthorizedError) or error.code == "no_agency"


def _is_over(error: AppError) -> bool:
    """Whether it says that the caller is over their limit; there are other reasons for a 429."""
    return error.rolled_back and error.code == TooManyRequestsError.code


def _count(who: Caller) -> None:
    try:
        if who.api_key:
            database.rpc("authorize_api_key", who.credentials)
        else:
            database.rpc("authorize", {**who.credentials, "p_writes": False})
    except DatabaseError:  # what was refused is certain, and the answer that helps
        logger.warning("a refused request was not counted", exc_info=True)


def _refuse_who_was_told_to_wait(who: Caller) -> None:
    wait = math.ceil(_until.get(_key(who), 0) - boottime())
    if wait > 0:
        raise TooManyRequestsError(
            f"Too many requests in a minute. Please try again in {wait} s.", headers={"Retry-After": str(wait)}
        )


def _remember(who: Caller, error: TooManyRequestsError) -> None:
    if _is_over(error) and (wait := error.headers.get("Retry-After")):
        if len(_until) >= MOST_REMEMBERED:
            _until.clear()
        _until[_key(who)] = boottime() + int(wait)


def _key(who: Caller) -> tuple[object, ...]:
    return who.user_id, who.api_key, who.secret_hash
