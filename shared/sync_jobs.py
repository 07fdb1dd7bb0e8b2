"""Imports of past calls: what may be asked about one, and the one function of the database that answers."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID  # noqa: TC003 - pydantic reads it at run time

from pydantic import BeforeValidator

from shared.database import rpc, rpc_as
from shared.inputs import Input

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.sync_answers import CancelledSync, CreatedSync, SyncStatus


def _utc(value: object) -> datetime | None:
    """A time without an offset is one in UTC: nobody is called by it. PostgreSQL reads no offset beyond 16 hours."""
    if value is None:
        return None
    with suppress(ValueError, OverflowError):  # the latter in the first and the last hours of the calendar
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    raise ValueError("must be an ISO 8601 time, such as 2025-01-01T00:00:00Z")


Moment = Annotated[datetime | None, BeforeValidator(_utc)]


class NewSync(Input):
    """Which calls to import, by when they were created; both ends included. Without dates: all until now."""

    date_from: Moment = None
    date_to: Moment = None


class StatusQuery(Input):
    """Nothing may be asked but how the agency's own import stands."""


class SyncReference(Input):
    """An import that exists."""

    job_id: UUID


def create(caller: Caller, sync: NewSync) -> CreatedSync:
    """Ask for an import: `{job_id, status}`.

    Raises ForbiddenError, BadRequestError (no time in the range), ConflictError while one is pending or in progress.
    """
    params = {"p_user_id": caller.user_id, "p_date_from": sync.date_from, "p_date_to": sync.date_to}
    # Not repeatable: after a lost answer the second one would say that there is a job already.
    return rpc("create_historical_sync_job", params, repeatable=False)


def fetch_status(caller: Caller) -> SyncStatus:
    """`{active: true, job}` or `{active: false, recent_job}`. Raises ForbiddenError for a user without an agency."""
    return rpc_as(caller, "get_sync_status", {})


def cancel(caller: Caller, sync: SyncReference) -> CancelledSync:
    """End an import that is pending or in progress. Raises ForbiddenError, NotFoundError, BadRequestError."""
    params = {"p_user_id": caller.user_id, "p_job_id": sync.job_id}
    return rpc("cancel_sync_job", params, repeatable=False)
