"""Phone numbers: which can be dialled, in one form, and in which time zones they can be."""

from __future__ import annotations

from typing import Annotated

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number
from pydantic import AfterValidator, Field


class _Read(str):
    """A valid number in E.164 form, with what the library read: to be placed it need not be read again, which is nearly
    all that either costs."""

    number: phonenumbers.PhoneNumber
    kind: int

    @classmethod
    def of(cls, text: str) -> _Read | None:
        """What a text says; None unless the library calls it a valid number."""
        try:
            number = phonenumbers.parse(text)
        except phonenumbers.NumberParseException:
            return None
        kind = phonenumbers.number_type(number)  # unknown exactly where is_valid_number, at the same price, says no
        if number.extension or kind == PhoneNumberType.UNKNOWN:
            return None
        read = cls(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
        read.number, read.kind = number, kind
        return read


def e164(text: str) -> str:
    """Normalise an international phone number to E.164.

    Raises ValueError unless the phone-number library calls it valid; it decides what may be dialled.
    """
    read = _Read.of(text)
    if read is None:
        raise ValueError("must be a valid phone number with its country code, such as +12135550123")
    return read


def zones_of_number(phone_number: str) -> tuple[str, ...]:
    """Every time zone that a number in E.164 form can be in, sorted; none for one that belongs to no country."""
    read = phone_number if isinstance(phone_number, _Read) else _Read.of(phone_number)
    if read is None:
        return ()
    if is_number_type_geographical(read.kind, read.number.country_code or 0):
        zones = time_zones_for_geographical_number(read.number)
    else:
        zones = time_zones_for_number(read.number)
    return tuple(sorted(set(zones) - {UNKNOWN_TIMEZONE}))


PhoneNumber = Annotated[
    str,
    AfterValidator(e164),
    Field(description="With its country code; kept and shown in E.164 form.", examples=["+12135550123"]),
]
