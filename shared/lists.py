"""Lists that come as files: one run of process-contact-imports, chunks in, checkpoints out.

Each chunk is one transaction of the database, which stores its contacts, its faults, its counters and the place of the
next row (record_contact_chunk). A run may die at any line: the next one goes on from the last chunk that was recorded,
of the same file, since another one in its place has another etag.
"""

from __future__ import annotations

import os
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypedDict

from shared import crash_points, import_report, storage
from shared.clock import boottime
from shared.contact_imports import list_object
from shared.csv_rows import ListError
from shared.database import rpc
from shared.errors import AppError
from shared.list_chunks import Chunks
from shared.settings import settings
from shared.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from shared.list_chunks import Chunk

UPLOADS_ASKED_FOR = 100  # at once; those asked for longest ago first
MAX_FILE_BYTES = 100 * 1024 * 1024
WRITES_KEPT_BACK = 4  # the last chunk and the release, each with one repetition
FAILURE = "Something went wrong on our side; the import goes on with a later run"
MOST_FAILED_RUNS = 10
STOPPED = (
    "Reading stopped ten times in a row without getting any further. Upload the file again, in parts if it stops again"
)
REPLACED = "The file was replaced or removed while it was being read; upload it again"


class Progress(TypedDict):
    """How an import stands, as contact_import_progress answers it; `mine` tells whether the lease still holds."""

    import_id: str
    agency_id: str
    batch_id: str
    status: str
    mine: bool
    etag: str
    size_bytes: int
    cursor: int
    rows_seen: int
    rows_read: int
    added: int
    duplicates_skipped: int
    skipped: int
    invalid: int
    erased: int
    attempts: int
    error: str | None


class LeaseLostError(Exception):
    """The import is somebody else's by now, or over."""


def process(
    remaining_ms: Callable[[], int], agency_id: str | None = None, seconds: float | None = None
) -> dict[str, object]:
    """Read lists until the time is nearly used or none is left; `{results: [...]}`, one entry for each list.

    `remaining_ms` is the run's remaining time in milliseconds. With `agency_id` only that agency's lists are read, and
    what has been uploaded is left to whoever sent this run to find; with `seconds` it is done for no longer, but for
    one chunk at least. A list that fails does not fail the run.
    Raises DatabaseError when the imports could not be asked for, StorageError when their files could not.
    """
    if agency_id is None:
        look_for_uploads(remaining_ms)
    deadline = _deadline(remaining_ms)
    share_ends = deadline if seconds is None else min(deadline, boottime() + seconds)
    worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    results: dict[str, dict[str, object]] = {}
    while boottime() < (share_ends if results else deadline) and (found := _claim(worker, agency_id)):
        until = min(share_ends, boottime() + settings().import_slice_seconds)
        results[found["import_id"]] = Import(found, worker, until, deadline).run()
    if not results:
        return {"processed": 0, "message": "No pending imports"}
    failed = sum(entry["status"] == "failed" for entry in results.values())
    count("process-contact-imports", imports=len(results), imports_failed=failed)
    return {"results": list(results.values())}


def look_for_uploads(remaining_ms: Callable[[], int]) -> None:
    """Tell the database which of the awaited files have arrived, each asked for once, while there is time.

    Raises DatabaseError, StorageError.
    """
    deadline, asked = _deadline(remaining_ms), set[str]()
    while boottime() < deadline:
        awaited: list[str] = rpc("awaited_uploads", {"p_limit": UPLOADS_ASKED_FOR})
        _look_for([name for name in awaited if name not in asked])
        if len(awaited) < UPLOADS_ASKED_FOR or not asked.isdisjoint(awaited):
            return
        asked.update(awaited)


def _deadline(remaining_ms: Callable[[], int]) -> float:
    return boottime() + remaining_ms() / 1000 - WRITES_KEPT_BACK * settings().write_timeout_seconds


def _look_for(awaited: Sequence[str]) -> None:
    if not awaited:
        return
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(awaited, pool.map(storage.look, map(list_object, awaited)), strict=True))
    arrived = [
        {"import_id": name, "etag": stored.etag, "size_bytes": stored.size_bytes}
        for name, stored in found.items()
        if stored
    ]
    missing = [name for name, stored in found.items() if stored is None]
    rpc("note_uploads", {"p_arrived": arrived, "p_missing": missing})


def _claim(worker: str, agency_id: str | None) -> Progress | None:
    lease = settings().import_lease_seconds
    params = {"p_worker": worker, "p_lease_seconds": lease, "p_agency_id": agency_id}
    found = rpc("claim_contact_import", params, repeatable=False)
    crash_points.reach("import_claimed")
    return found


class Import:
    """One list in the hands of one worker, which gives it up at `until`, but not without a chunk before `deadline`."""

    def __init__(self, progress: Progress, worker: str, until: float, deadline: float) -> None:
        self._progress = progress
        self._worker = worker
        self._until = until
        self._deadline = deadline
        self._lost = False

    def run(self) -> dict[str, object]:
        """Read what there is time for; the list's entry in the run's answer. Whatever goes wrong is in it."""
        try:
            self._leave()
        except AppError:  # its lease runs out, and another run goes on from its cursor
            logger.exception("A list could not be left in order", extra={"import_id": self._progress["import_id"]})
            self._progress["error"] = FAILURE
        return _result(self._progress, lost=self._lost)

    def _leave(self) -> None:
        """Work, then give the import back as what it has become."""
        try:
            _check_attempts(self._progress)
            if self._work():
                self._finish()
            else:
                self._verb("release_contact_import")
        except LeaseLostError:
            self._lost = self._progress["status"] == "in_progress"
        except ListError as error:
            self._verb("fail_contact_import", p_reason=f"{error}", p_is_final=True)
        except storage.MissingObjectError:
            self._verb("fail_contact_import", p_reason=REPLACED, p_is_final=True)
        except Exception:
            logger.exception("A list could not be read", extra={"import_id": self._progress["import_id"]})
            self._verb("fail_contact_import", p_reason=FAILURE, p_is_final=False)
        if self._progress["status"] in ("completed", "failed") and not self._lost:
            self._remove_file()

    def _work(self) -> bool:
        """Chunk after chunk, the next made while this one is written; whether the file's end was reached."""
        _check_size(self._progress["size_bytes"])
        with ThreadPoolExecutor(1) as writer:
            written: Future[None] | None = None
            for chunk in Chunks(self._progress):
                if written:
                    written.result()
                # A share of time that is shorter than reading a chunk must not read it in vain for ever.
                if boottime() >= (self._until if written else self._deadline):
                    return False
                written = writer.submit(self._record, chunk)
            if written:
                written.result()
        return True

    def _record(self, chunk: Chunk) -> None:
        crash_points.reach("import_before_record")
        params = {"p_chunk": chunk.as_json(), "p_lease_seconds": settings().import_lease_seconds}
        self._verb("record_contact_chunk", large=True, **params)
        crash_points.reach("import_recorded")
        if not self._progress["mine"] or self._progress["cursor"] != chunk.end:
            raise LeaseLostError

    def _finish(self) -> None:
        crash_points.reach("import_before_report")
        lines = import_report.write(self._progress["import_id"])
        crash_points.reach("import_before_finish")
        self._verb("finish_contact_import", p_report_rows=lines)
        crash_points.reach("import_finished")
        if self._progress["status"] == "in_progress":
            raise LeaseLostError

    def _remove_file(self) -> None:
        """People's names and numbers lie in the database now; a second copy of them is nobody's business."""
        try:
            storage.remove(list_object(self._progress["import_id"]))
        except storage.StorageError:
            logger.warning("a list was left over", exc_info=True)

    def _verb(self, name: str, *, large: bool = False, **params: Any) -> None:
        given = {"p_import_id": self._progress["import_id"], "p_worker": self._worker, **params}
        self._progress = rpc(name, given, large=large)


def _check_attempts(progress: Progress) -> None:
    if progress["attempts"] >= MOST_FAILED_RUNS:
        logger.error("A list is given up", extra={"import_id": progress["import_id"]})
        raise ListError(STOPPED)


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ListError("The file is larger than 100 MB; upload it in parts")
    if size == 0:
        raise ListError("The file is empty; the first row has to name the columns")


def _result(progress: Progress, *, lost: bool) -> dict[str, object]:
    """A list's entry: where it goes on, or why it does not."""
    names = ("import_id", "batch_id", "status", "rows_read", "added", "duplicates_skipped", "invalid", "erased")
    counted: dict[str, object] = {name: progress[name] for name in names}
    if lost:
        return {**counted, "reason": "lease_lost"}
    if progress["status"] == "completed":
        return {**counted, "reason": "all_rows_read"}
    if progress["error"]:
        return {**counted, "cursor": progress["cursor"], "error": progress["error"]}
    return {**counted, "cursor": progress["cursor"]}
