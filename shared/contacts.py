"""A contact as a client sends it: a number that can be dialled, and what the agent may know about the person."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import available_timezones

import phonenumbers
from pydantic import AfterValidator, Field
from pydantic_core import to_json

from shared.inputs import Input, Whole

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CUSTOM_DATA_BYTES = 5 * 1024


def e164(text: str) -> str:
    """Normalise an international phone number to E.164.

    Raises ValueError unless the phone-number library calls it valid; it decides what may be dialled.
    """
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or number.extension or not phonenumbers.is_valid_number(number):
        raise ValueError("must be a valid phone number with its country code, such as +12135550123")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _iana(name: str) -> str:
    if name not in time_zones():
        raise ValueError("must be an IANA time zone, such as America/New_York")
    return name


@lru_cache(maxsize=1)
def time_zones() -> set[str]:
    """All IANA names."""
    return available_timezones()  # walks the whole zone database: some 20 ms


def _small(data: dict[str, Any]) -> dict[str, Any]:
    if len(to_json(data)) > MAX_CUSTOM_DATA_BYTES:
        raise ValueError("must be at most 5 KB of JSON")
    return data


PhoneNumber = Annotated[
    str,
    AfterValidator(e164),
    Field(description="With its country code; kept and shown in E.164 form.", examples=["+12135550123"]),
]
TimeZone = Annotated[
    str,
    AfterValidator(_iana),
    Field(description="An IANA name; without it the number says where the person is.", examples=["America/New_York"]),
]
CustomData = Annotated[
    dict[str, Any],
    AfterValidator(_small),
    Field(description="What the agent may know of the person; at most 5 KB of JSON."),
]
Text = Annotated[str, Field(max_length=255)]


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


def one_per_number(contacts: Iterable[Contact]) -> list[Contact]:
    """The contacts in their order, of each phone number the first."""
    found: dict[str, Contact] = {}
    for contact in contacts:
        found.setdefault(contact.phone_number, contact)
    return list(found.values())
