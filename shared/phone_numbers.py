"""Phone numbers: which can be dialled, in one form, and in which time zones they can be."""

from __future__ import annotations

from typing import Annotated

import phonenumbers
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from pydantic import AfterValidator, Field


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


def zones_of_number(phone_number: str) -> tuple[str, ...]:
    """Every time zone that a number in E.164 form can be in, sorted; none for one that belongs to no country."""
    zones = time_zones_for_number(phonenumbers.parse(phone_number))
    return tuple(sorted(set(zones) - {UNKNOWN_TIMEZONE}))


PhoneNumber = Annotated[
    str,
    AfterValidator(e164),
    Field(description="With its country code; kept and shown in E.164 form.", examples=["+12135550123"]),
]
