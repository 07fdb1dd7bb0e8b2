"""POST /calls-batch-upload: get a link to which a list is uploaded as CSV, for a new batch or one that exists.

The file is sent with `PUT` to `upload_url`, as `Content-Type: text/csv`: UTF-8, at most 100 MB, with a header row. It
is imported when it has arrived; calls-batch-import-get tells how far it is. A new batch is a draft until it is
executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import contact_imports
from shared.people import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.idempotency import Attempt, Created
    from shared.import_answers import CreatedImport


@creation(contact_imports.NewUpload, failure="Failed to create upload")
def main(caller: Caller, upload: contact_imports.NewUpload, attempt: Attempt) -> Created[CreatedImport]:
    return contact_imports.create(caller, upload, attempt)
