"""A contact as a client sends it: a number that can be dialled, and what the agent may know about the person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import to_json

from shared.inputs import Input, Text, Whole
from shared.phone_numbers import PhoneNumber, zones_of_number
from shared.time_zones import TimeZone

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CUSTOM_DATA_BYTES = 5 * 1024


def _small(data: dict[str, Any]) -> dict[str, Any]:
    if len(to_json(data)) > MAX_CUSTOM_DATA_BYTES:
        raise ValueError("must be at most 5 KB of JSON")
    return data


CustomData = Annotated[
    dict[str, Any],
    AfterValidator(_small),
    Field(description="What the agent may know of the person; at most 5 KB of JSON."),
]


class Contact(Input):
    """One person of a list."""  # validating one costs some 25 µs, most of it in the phone-number library

    phone_number: PhoneNumber
    first_name: Text | None = None
    last_name: Text | None = None
    email: Annotated[str, Field(max_length=320)] | None = None
    company: Text | None = None
    title: Text | None = None
    timezone: TimeZone | None = None
    custom_data: CustomData | None = None
    max_attempts: Annotated[Whole, Field(ge=1, le=11)] | None = None

    def stored(self) -> dict[str, Any]:
        """The contact as the database takes it: with every time zone in which calling hours must be open."""
        zones = (self.timezone,) if self.timezone else zones_of_number(self.phone_number)
        return {**self.model_dump(exclude_none=True), "time_zones": zones or None}


def one_per_number(contacts: Iterable[Contact]) -> list[Contact]:
    """The contacts in their order, of each phone number the first."""
    found: dict[str, Contact] = {}
    for contact in contacts:
        found.setdefault(contact.phone_number, contact)
    return list(found.values())
