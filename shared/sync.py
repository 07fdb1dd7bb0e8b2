"""The import of past calls: one run of process-historical-sync, pages in, checkpoints out.

Each page is one transaction of the database, which stores its calls, its counters and the place of the next page
(record_sync_page). A run may die at any line: the next one goes on from the last page that was recorded.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from typing import TYPE_CHECKING, NotRequired, TypedDict

import stamina

from shared import crash_points, database, secrets
from shared.clock import boottime
from shared.errors import DatabaseError
from shared.history import (
    History,
    HistoryError,
    KeyRefusedError,
    RefusedHistoryError,
    ThrottledHistoryError,
    UnavailableHistoryError,
)
from shared.settings import settings
from shared.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.history import Page

JOBS_AT_ONCE = 3
FETCHES = 4  # of one page, where the provider does not answer as it should
WRITES_KEPT_BACK = 4  # the last page and the release, each with one repetition
FAILURE = "Something went wrong on our side; the import goes on with the next run"


class Progress(TypedDict):
    """How a job stands, as sync_progress answers it; `mine` tells whether the lease still holds.

    What claim_sync_jobs answers has the agency and the dates as well.
    """

    job_id: str
    status: str
    mine: bool
    cursor: str | None
    total: int | None
    processed: int
    imported: int
    updated: int
    skipped: int
    failed: int
    oldest_call: str | None
    newest_call: str | None
    error: str | None
    agency_id: NotRequired[str]
    date_from: NotRequired[str | None]
    date_to: NotRequired[str]


class OutOfTimeError(Exception):
    """The run's time is used up."""


class LeaseLostError(Exception):
    """The job is somebody else's by now, or over."""


def process(
    remaining_ms: Callable[[], int], agency_id: str | None = None, seconds: float | None = None
) -> dict[str, object]:
    """Import until the time is nearly used or up to three jobs are done; `{results: [...]}`, one entry for each job.

    `remaining_ms` is the run's remaining time in milliseconds; with `agency_id` only that agency's job is taken, with
    `seconds` the run fetches for no longer. A job that fails does not fail the run.
    Raises DatabaseError when the jobs could not be asked for.
    """
    results = asyncio.run(_run(remaining_ms, agency_id, seconds))
    if not results:
        return {"processed": 0, "message": "No pending jobs"}
    count("process-historical-sync", jobs=len(results), jobs_failed=sum(job["status"] == "failed" for job in results))
    return {"results": results}


async def _run(
    remaining_ms: Callable[[], int], agency_id: str | None, seconds: float | None
) -> list[dict[str, object]]:
    timers = settings()
    whole = remaining_ms() / 1000 - WRITES_KEPT_BACK * timers.write_timeout_seconds
    deadline = boottime() + (whole if seconds is None else min(whole, seconds))
    if boottime() >= deadline:
        return []
    worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    params = {
        "p_worker": worker,
        "p_limit": JOBS_AT_ONCE,
        "p_lease_seconds": timers.sync_lease_seconds,
        "p_agency_id": agency_id,
    }
    jobs: list[Progress] = await asyncio.to_thread(database.rpc, "claim_sync_jobs", params, repeatable=False)
    crash_points.reach("sync_claimed")
    given_up = [job for job in jobs if job["status"] == "failed"]
    for job in given_up:
        logger.error("An import is given up", extra={"job_id": job["job_id"], "agency_id": job.get("agency_id")})
    async with History() as history:
        imports = [Import(job, worker, history, deadline).run() for job in jobs if job not in given_up]
        return [*(_result(job, lost=False) for job in given_up), *await asyncio.gather(*imports)]


class Import:
    """One job in the hands of one worker."""

    def __init__(self, job: Progress, worker: str, history: History, deadline: float) -> None:
        self._settings = settings()
        self._progress = job
        self._agency_id = job.get("agency_id", "")
        dates = {"fromDate": job.get("date_from"), "toDate": job.get("date_to")}
        self._dates = {name: date for name, date in dates.items() if date}
        self._worker = worker
        self._history = history
        self._deadline = deadline
        self._key = ""
        self._lost = False

    async def run(self) -> dict[str, object]:
        """Import what there is time for; the job's entry in the run's answer. Whatever goes wrong is in it."""
        try:
            await self._leave()
        except DatabaseError:  # its lease runs out, and another run goes on from its cursor
            logger.exception("An import could not be left in order", extra={"job_id": self._progress["job_id"]})
            self._progress["error"] = FAILURE
        return _result(self._progress, lost=self._lost)

    async def _leave(self) -> None:
        """Work, then give the job back as what it has become."""
        try:
            await self._work()
        except LeaseLostError:
            self._lost = True
        except OutOfTimeError:
            await self._verb("release_sync_job", p_reason=None, p_retry_after_seconds=None)
        except ThrottledHistoryError as error:
            await self._verb("release_sync_job", p_reason=f"{error}", p_retry_after_seconds=error.seconds)
        except HistoryError as error:
            is_final = isinstance(error, RefusedHistoryError)
            await self._verb("fail_sync_job", p_reason=f"{error}", p_is_final=is_final)
        except Exception:
            logger.exception("An import failed", extra={"job_id": self._progress["job_id"]})
            await self._verb("fail_sync_job", p_reason=FAILURE, p_is_final=False)

    async def _work(self) -> None:
        """Page after page, the next fetched while this one is written; ends with the last or with the lease."""
        self._key = await self._provider_key()
        page = await self._fetch(self._progress["cursor"])
        while True:
            following = asyncio.create_task(self._fetch(page.next_cursor)) if page.next_cursor else None
            try:
                await self._record(page)
                if following is None and self._progress["status"] == "completed":
                    return
                if following is None or not self._progress["mine"]:
                    raise LeaseLostError
                page = await following
            finally:
                if following:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)

    async def _record(self, page: Page) -> None:
        await asyncio.to_thread(self._record_page, page)

    def _record_page(self, page: Page) -> None:
        crash_points.reach("sync_before_record")
        self._progress = database.rpc(
            "record_sync_page",
            {
                "p_job_id": self._progress["job_id"],
                "p_worker": self._worker,
                "p_page": page.as_json(),
                "p_lease_seconds": self._settings.sync_lease_seconds,
            },
            large=True,
        )
        crash_points.reach("sync_recorded")

    async def _verb(self, name: str, **params: object) -> None:
        given = {"p_job_id": self._progress["job_id"], "p_worker": self._worker, **params}
        self._progress = await asyncio.to_thread(database.rpc, name, given)

    async def _fetch(self, cursor: str | None) -> Page:
        """A page, with the repeats and waits that fit into its time. Raises HistoryError, OutOfTimeError."""
        until = min(boottime() + self._settings.sync_fetch_seconds, self._deadline)

        def again(error: Exception) -> bool | float:
            if isinstance(error, ThrottledHistoryError):
                return boottime() + error.seconds < until and error.seconds
            return isinstance(error, UnavailableHistoryError)

        try:
            async with asyncio.timeout(until - boottime()):
                async for attempt in stamina.retry_context(on=again, attempts=FETCHES, timeout=None, wait_initial=0.2):
                    with attempt:
                        return await self._ask(cursor)
        except TimeoutError as error:
            if boottime() >= self._deadline:
                raise OutOfTimeError from error
            raise UnavailableHistoryError("The provider did not answer in time") from error
        raise AssertionError("unreachable: the retries end with a return or an error")

    async def _ask(self, cursor: str | None) -> Page:
        crash_points.reach("sync_before_fetch")
        try:
            page = await self._history.page(self._key, self._dates, cursor)
        except KeyRefusedError:
            # Somebody may have stored another meanwhile: the minutes for which we keep a key must not end an import.
            if (key := await self._provider_key(fresh=True)) == self._key:
                raise
            self._key = key
            page = await self._history.page(key, self._dates, cursor)
        crash_points.reach("sync_after_fetch")
        return page

    async def _provider_key(self, *, fresh: bool = False) -> str:
        try:
            key = await asyncio.to_thread(secrets.provider_key, self._agency_id, fresh=fresh)
        except secrets.SecretsError as error:
            logger.exception("An agency's key could not be read", extra={"agency_id": self._agency_id})
            raise UnavailableHistoryError("The agency's API key could not be read") from error
        if key is None:
            raise RefusedHistoryError("Agency API key not configured")
        return key


def _result(job: Progress, *, lost: bool) -> dict[str, object]:
    """A job's entry: where it goes on, or why it does not."""
    counted: Mapping[str, object] = {
        "job_id": job["job_id"],
        "status": job["status"],
        "imported": job["imported"],
        "updated": job["updated"],
        "skipped": job["skipped"],
        "failed": job["failed"],
    }
    if job["status"] == "cancelled":
        return {**counted, "reason": "cancelled"}
    if lost:
        return {**counted, "reason": "lease_lost"}
    if job["status"] == "completed":
        evidence = {name: job[name] for name in ("total", "processed", "oldest_call", "newest_call")}
        return {**counted, "reason": "all_calls_fetched", **evidence}
    if job["error"]:
        return {**counted, "cursor": job["cursor"], "error": job["error"]}
    return {**counted, "cursor": job["cursor"]}
