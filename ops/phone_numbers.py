"""Phone numbers as an operator types them."""

from __future__ import annotations

import argparse

import phonenumbers


def e164(text: str) -> str:
    """The number in E.164. Raises ArgumentTypeError for one that cannot be called."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise argparse.ArgumentTypeError("must be a phone number with its country, such as +12125550100") from None
    if not phonenumbers.is_valid_number(number):
        raise argparse.ArgumentTypeError("is no phone number that can be called")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
