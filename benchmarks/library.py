"""The phone-number library alone, in one thread: the floor under whatever takes lists of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import phonenumbers
from phonenumbers import timezone

if TYPE_CHECKING:
    from collections.abc import Iterable


def read(numbers: Iterable[str]) -> None:
    """Parses, validates, formats and places each number, as the library's documentation has it."""
    for text in numbers:
        number = phonenumbers.parse(text)
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert timezone.time_zones_for_number(number)
