from __future__ import annotations

from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

from shared.contacts import Contact, one_per_number
from shared.errors import BadRequestError
from shared.inputs import validate
from shared.phone_numbers import e164, zones_of_number

INVALID = "must be a valid phone number with its country code, such as +12135550123"


def problem_of(**fields: object) -> str:
    with pytest.raises(BadRequestError) as refused:
        validate(Contact, {"phone_number": "+12135550123", **fields})
    return str(refused.value)


@pytest.mark.parametrize(
    "written",
    [
        "+12135550123",
        " +1 (213) 555-0123 ",
        "+1.213.555.0123",
        "tel:+1-213-555-0123",
        "+\uff11\uff12\uff11\uff13\uff15\uff15\uff15\uff10\uff11\uff12\uff13",  # full-width digits
    ],
)
def test_a_number_is_normalised_to_e164(written: str) -> None:
    assert validate(Contact, {"phone_number": written}).phone_number == "+12135550123"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2135550123",
        "12135550123",
        "(213) 555-0123",
        "+10135550123",
        "+1213555012",
        "+121355501234",
        "+9992135550123",
        "+12135550123 ext. 5",
        "nobody",
        "+" + "1" * 1000,
    ],
)
def test_what_cannot_be_dialled_is_refused(written: str) -> None:
    assert problem_of(phone_number=written) == f"phone_number {INVALID}"


@given(st.text())
def test_any_text_is_a_valid_number_in_e164_or_a_value_error(written: str) -> None:
    try:
        number = e164(written)
    except ValueError as error:
        assert str(error) == INVALID  # noqa: PT017
    else:
        assert e164(number) == number


def test_of_every_country_the_library_decides_what_is_valid_and_where_it_is() -> None:
    examples = [
        found
        for region in phonenumbers.SUPPORTED_REGIONS
        for kind in phonenumbers.PhoneNumberType.values()
        if (found := phonenumbers.example_number_for_type(region, kind))
    ]
    whole = [phonenumbers.format_number(one, phonenumbers.PhoneNumberFormat.E164) for one in examples]
    asked = {number[:length] + end for number in whole for length in (len(number), -1) for end in ("", "0", "7")}
    answers = {True: 0, False: 0}

    for text in sorted(asked):
        number = phonenumbers.parse(text)
        valid = phonenumbers.is_valid_number(number)
        answers[valid] += 1
        if valid:
            assert set(zones_of_number(e164(text))) == set(time_zones_for_number(number)) - {UNKNOWN_TIMEZONE}
        else:
            with pytest.raises(ValueError, match="valid phone number"):
                e164(text)

    assert min(answers.values()) > 1000


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"phone_number": 12135550123}, "phone_number must be a string"),
        ({"first_name": "x" * 256}, "first_name must be at most 255 characters long"),
        ({"email": "x" * 321}, "email must be at most 320 characters long"),
        ({"timezone": "Mars/Olympus"}, "timezone must be an IANA time zone, such as America/New_York"),
        ({"timezone": "../../etc/passwd"}, "timezone must be an IANA time zone, such as America/New_York"),
        ({"custom_data": {"note": "é" * 2600}}, "custom_data must be at most 5 KB of JSON"),
        ({"custom_data": ["a"]}, "custom_data must be an object"),
        ({"max_attempts": 0}, "max_attempts must be at least 1"),
        ({"max_attempts": 12}, "max_attempts must be at most 11"),
        ({"phone": "+12135550123"}, "phone is not a known field"),
    ],
)
def test_a_field_out_of_bounds_is_named(fields: dict[str, object], sentence: str) -> None:
    assert problem_of(**fields) == sentence


def test_a_full_contact_is_taken_as_it_is() -> None:
    given: dict[str, Any] = {
        "phone_number": "+12135550123",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.com",
        "company": "Analytical Engines",
        "title": "Countess",
        "timezone": "Europe/London",
        "custom_data": {"plan": {"name": "pro", "seats": [1, 2.5, None, True]}},
        "max_attempts": 11,
    }

    assert validate(Contact, given).model_dump() == given


def test_of_each_number_the_first_contact_is_kept_in_its_place() -> None:
    contacts = [
        validate(Contact, {"phone_number": number, "first_name": name})
        for number, name in [
            ("+12135550123", "first"),
            ("+12135550124", "other"),
            ("+1 213 555 0123", "second"),
            ("+12135550123", "third"),
        ]
    ]

    assert [contact.first_name for contact in one_per_number(contacts)] == ["first", "other"]
