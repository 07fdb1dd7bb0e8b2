"""The agency's voice agents: imported from the provider's list, page by page, and stored in one transaction.

The list is stored only when it has been read to its end: an agent missing from half a list is not gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import httpx
import stamina
from pydantic import BaseModel, Field, ValidationError

from shared.database import rpc
from shared.errors import BadRequestError, UnavailableError
from shared.inputs import UNSTORABLE, Input
from shared.secrets import provider_key
from shared.settings import settings

if TYPE_CHECKING:
    from shared.agent_answers import SyncedAgents
    from shared.auth import Caller

PAGE_SIZE = 100
MOST_PAGES = 100
PAGE_SECONDS = 5
ATTEMPTS = 2
USUAL_DURATION = "3600s"  # the provider's own default
LONGEST_SECONDS = 2**31 - 1


class NoBody(Input):
    """Nothing may be said but who asks."""


class CallTemplate(BaseModel):
    """How the agent's calls are; all else of it stays at the provider."""

    maxDuration: Annotated[str, Field(pattern=r"^(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?s$")] = USUAL_DURATION  # noqa: N815
    recordingEnabled: bool = False  # noqa: N815 - the provider's names


class Agent(BaseModel):
    """As much of a provider's agent as we rely on."""

    agentId: str  # noqa: N815 - the provider's name
    name: str
    callTemplate: CallTemplate | None = None  # noqa: N815

    def as_row(self) -> dict[str, object]:
        template = self.callTemplate or CallTemplate()
        seconds = min(max(round(float(template.maxDuration[:-1])), 1), LONGEST_SECONDS)
        return {
            "id": UNSTORABLE.sub("\ufffd", self.agentId),
            "name": UNSTORABLE.sub("\ufffd", self.name),
            "max_duration_seconds": seconds,
            "recording_enabled": template.recordingEnabled,
        }


class AgentPage(BaseModel):
    """One page of the provider's list."""

    results: list[Agent]
    next: str | None = None


def sync(caller: Caller, _nothing: NoBody) -> SyncedAgents:
    """Make the agency's agents those that the provider lists: `{created, updated, unchanged, deactivated}`.

    Two round trips: whose key it is has to be known before the provider can be asked.
    Raises ForbiddenError, BadRequestError (no key, or one that the provider refuses), UnavailableError.
    """
    agency_id = rpc("authorize", {"p_user_id": caller.user_id, "p_writes": True})["agency_id"]
    key = provider_key(agency_id)
    if not key:
        raise BadRequestError("No API key of the provider is stored for the agency", code="provider_key_missing")
    try:
        agents = _listed(key)
    except _KeyRefusedError:
        agents = _listed_or_refused(provider_key(agency_id, fresh=True) or "")  # another may be stored meanwhile
    rows = {agent.agentId: agent.as_row() for agent in agents}  # a list that moves while it is read may repeat one
    return rpc("sync_agents", {"p_user_id": caller.user_id, "p_agents": list(rows.values())})


class _KeyRefusedError(Exception):
    pass


def _listed_or_refused(key: str) -> list[Agent]:
    try:
        return _listed(key)
    except _KeyRefusedError:
        raise BadRequestError("The provider refuses the agency's API key", code="provider_key_refused") from None


def _listed(key: str) -> list[Agent]:
    if not (key.isascii() and key.isprintable()):
        raise _KeyRefusedError
    found: list[Agent] = []
    query = {"pageSize": f"{PAGE_SIZE}"}
    # Redirects are not followed: the key would go wherever they lead.
    with httpx.Client(
        base_url=settings().ultravox_base_url, headers={"X-API-Key": key}, timeout=PAGE_SECONDS
    ) as client:
        for _ in range(MOST_PAGES):
            page = _page(client, query)
            found += page.results
            if not page.next:
                return found
            # Only the cursor of `next` is kept: the key never follows a URL out of an answer.
            query |= {"cursor": httpx.QueryParams(urlsplit(page.next).query).get("cursor", "")}
    raise UnavailableError(f"The provider's list of agents goes on for more than {MOST_PAGES} pages")


def _page(client: httpx.Client, query: dict[str, str]) -> AgentPage:
    retries = stamina.RetryingCaller(attempts=ATTEMPTS, timeout=None, wait_initial=0.2)
    try:
        response = retries(_worth_repeating, _get, client, query)
        if response.status_code in (401, 403):
            raise _KeyRefusedError
        return AgentPage.model_validate_json(response.raise_for_status().content)
    except (httpx.HTTPError, ValidationError) as error:
        raise UnavailableError("The provider's list of agents could not be read") from error


def _get(client: httpx.Client, query: dict[str, str]) -> httpx.Response:
    response = client.get("/api/agents", params=query)
    return response.raise_for_status() if response.status_code >= 500 else response


def _worth_repeating(error: Exception) -> bool:
    return isinstance(error, httpx.HTTPError)
