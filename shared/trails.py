"""Why was, or wasn't, this person called: a contact with every decision about it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from shared.database import rpc_as
from shared.inputs import Input
from shared.standing import standing

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.trail_answers import ContactTrail


class ContactReference(Input):
    """A contact of a batch."""

    contact_id: UUID


def fetch(caller: Caller, contact: ContactReference) -> ContactTrail:
    """The contact, its trail and where it stands, in words. Raises ForbiddenError, NotFoundError."""
    trail = rpc_as(caller, "get_contact", {"p_contact_id": contact.contact_id})
    return trail | {"why": standing(trail)}
