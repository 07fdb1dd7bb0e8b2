"""The person in a call wants to be called no more: the agent's tool says so while the call goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared import inputs, webhooks
from shared.database import rpc
from shared.errors import BadRequestError
from shared.inputs import Input, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.do_not_call_answers import OptedOut


class OptOut(Input):
    """What the agent's tool sends: the call that is going on, by the provider's id or by ours.

    `metadata` is the call's own. It names the call where the provider's answer to our request was lost, and its id is
    not known to us.
    """

    call_id: UUID
    metadata: dict[str, Any] | None = None
    reason: Text | None = None


def opt_out(agency: str, headers: Mapping[str, str], body: bytes) -> OptedOut:
    """Put the person who is being called on the list of the agency in the path; a repeat answers the same.

    Signed as an event is, or as the provider signs a request of a call's own (`webhooks.CALL_HEADER`); that signature
    covers the id of the call alone, so the body must name the same one.
    Raises UnauthorizedError (as an event does), PayloadTooLargeError, BadRequestError, NotFoundError.
    """
    call_id = headers.get(webhooks.CALL_HEADER)
    if call_id is None:
        agency_id = webhooks.signing_agency(agency, headers, body)
    else:
        agency_id = webhooks.signing_agency(agency, headers, call_id.encode(), webhooks.OF_A_CALL)
    asked = inputs.validate(OptOut, inputs.parse_json(body))
    if call_id not in (None, str(asked.call_id)):
        raise BadRequestError("call_id must be that of the call that was signed")
    params = {"p_agency_id": agency_id, "p_call_id": asked.call_id, "p_metadata": asked.metadata}
    return rpc("opt_out", {**params, "p_reason": asked.reason})
