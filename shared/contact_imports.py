"""Lists that come as files: what may be asked about one, and the one function of the database that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from uuid import UUID, uuid4

from pydantic import model_validator

from shared import storage
from shared.batch_options import BatchOptions, CallerId, options
from shared.database import rpc, rpc_as
from shared.idempotency import Created
from shared.inputs import Input

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.idempotency import Attempt
    from shared.import_answers import ContactImport, CreatedImport

CONTENT_TYPE = "text/csv"
OF_A_NEW_BATCH = ("agent_mapping_id", "from_number", "campaign_id")


class NewUpload(BatchOptions):
    """For which batch a file is to come: one that exists (`batch_id` alone), or a new one, as calls-batch-create has it
    but without contacts."""

    batch_id: UUID | None = None
    agent_mapping_id: UUID | None = None
    from_number: CallerId | None = None
    campaign_id: UUID | None = None

    @model_validator(mode="after")
    def _is_for_one_batch(self) -> Self:
        if self.batch_id is None:
            for name in OF_A_NEW_BATCH:
                if getattr(self, name) is None:
                    raise ValueError(f"{name} is missing")
        elif named := sorted(self.model_fields_set - {"batch_id"}):
            raise ValueError(f"{named[0]} cannot be changed with an upload; leave it out beside batch_id")
        return self


class ImportReference(Input):
    """An import that exists."""

    import_id: UUID


def list_object(import_id: UUID | str) -> str:
    """Where in object storage the file comes to lie."""
    return f"imports/{import_id}/list.csv"


def report_object(import_id: UUID | str) -> str:
    """Where in object storage the report lies."""
    return f"imports/{import_id}/report.csv"


def create(caller: Caller, upload: NewUpload, attempt: Attempt) -> Created[CreatedImport]:
    """Ask for a file: where to send it. Nothing of it is stored in the database before it has arrived.

    Raises ForbiddenError, BadRequestError (beyond the agency's plan, in the past, or a final batch), ConflictError and
    UnprocessableError (idempotency), NotFoundError (batch, agent, campaign or from_number), StorageError.
    """
    given = options(upload) if upload.batch_id is None else {"batch_id": upload.batch_id}
    params = {
        "p_user_id": caller.user_id,
        "p_import_id": uuid4(),
        "p_upload": given,
        "p_seconds": storage.LINK_SECONDS,
        "p_once": attempt.once,
    }
    answer = rpc("create_contact_import", params, repeatable=False)
    replayed = answer.pop("replayed", False)
    answer["upload_url"] = storage.upload_link(list_object(answer["import_id"]), CONTENT_TYPE)
    return Created(answer, replayed)


def fetch(caller: Caller, reference: ImportReference) -> ContactImport:
    """An import and, once it is over, a link to its report. Raises ForbiddenError, NotFoundError, StorageError."""
    answer = rpc_as(caller, "get_contact_import", {"p_import_id": reference.import_id})
    answer["report_url"] = storage.link(report_object(answer["import_id"])) if answer["report_rows"] else None
    return answer
