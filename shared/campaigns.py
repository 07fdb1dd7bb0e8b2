"""Campaigns: named groups of batches, with the defaults of their retries and calling hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from shared.batch_options import Retry
from shared.batches import MAX_LIST_LIMIT
from shared.calling_hours import HasCallingHours
from shared.database import rpc, rpc_as
from shared.idempotency import Created
from shared.inputs import Input, PageLength, PageStart

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.campaign_answers import Campaign, CampaignList
    from shared.idempotency import Attempt


class NewCampaign(HasCallingHours):
    """A campaign to create. What it says of hours and retries holds for its batches that do not say otherwise."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    retry: Retry | None = None


class CampaignQuery(Input):
    """Which of the agency's campaigns to list."""

    limit: PageLength = 25
    offset: PageStart = 0


def create(caller: Caller, campaign: NewCampaign, attempt: Attempt) -> Created[Campaign]:
    """Store a campaign.

    Raises ForbiddenError, BadRequestError (a time zone that the database does not know), ConflictError and
    UnprocessableError (idempotency).
    """
    retry = campaign.retry and campaign.retry.model_dump(exclude_none=True)
    given = campaign.model_dump(exclude={"retry"}) | {"retry": retry}
    params = {"p_user_id": caller.user_id, "p_campaign": given, "p_once": attempt.once}
    answer = rpc("create_campaign", params, repeatable=False)
    return Created(answer, answer.pop("replayed", False))


def fetch_many(caller: Caller, query: CampaignQuery) -> CampaignList:
    """A page of the agency's campaigns, newest first. Raises ForbiddenError."""
    params = {"p_limit": min(query.limit, MAX_LIST_LIMIT), "p_offset": query.offset}
    return rpc_as(caller, "list_campaigns", params)
