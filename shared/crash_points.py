"""Named places at which a test may hold, freeze or kill a worker. In production they are a call that does nothing.

A test's own process puts its hook in `hook` before any work begins; no setting and no message can. The hook runs in
the thread that has come to the point and may keep it there: at the points marked * that is the worker's event loop,
so that the whole of it stands still.

* claimed         claim_calls has answered
* begun           begin_dial has committed, and its thread knows
* before_post  *  before the last look at the clock (dial_by), once for the headers and once for the body
* checked      *  between that look and the write to the socket: the gap that no program can close
* during_post  *  the whole request has left
* answered     *  the provider's answer is there
* before_settle   the results of a turn are about to be written
* settled         they have been written, and their thread knows
* append_asked     calls-batch-append is about to ask the database
* append_stored    the database has answered calls-batch-append, its caller has not heard yet
* tasks_stored    batch-call-create has put the list into object storage and has not asked the database
* event_verified  webhook-ingest has accepted the signature and has written nothing
* event_ingested  webhook-ingest has committed and not yet answered
* sync_claimed    claim_sync_jobs has answered
* sync_before_fetch  *  a page is about to be asked for
* sync_after_fetch   *  the page is there
* sync_before_record    the page is about to be written
* sync_recorded         it has been written, and its thread knows
* import_claimed        claim_contact_import has answered
* import_before_read    a piece of the file is about to be asked for
* import_before_record  a chunk of the list is about to be written
* import_recorded       it has been written, and its thread knows
* import_before_report  the whole list is in the database, the report in nothing yet
* import_before_finish  the report is stored
* import_finished       finish_contact_import has answered, the file is still there
* notice_claimed     *  claim_notices has answered
* notice_before_send *  a notice is about to be sent
* notice_sent        *  its receiver has answered
* notices_before_record  what became of a batch's notices is about to be written
* notices_recorded       it has been written, and its thread knows
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _nothing(_point: str) -> None:
    pass


hook: Callable[[str], None] = _nothing


def reach(point: str) -> None:
    """Say that the caller has come to this point."""
    hook(point)
