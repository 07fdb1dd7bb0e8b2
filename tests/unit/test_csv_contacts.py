"""The quick way from a row to a contact says what the model Contact says, and the header's names are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contacts import Contact
from shared.csv_columns import read_columns
from shared.csv_contacts import EMAIL, ContactReader
from shared.csv_rows import ListError, Rows
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = ("phone_number", "first_name", "last_name", "email", "company", "title", "timezone", "max_attempts")
HEADER = [*FIELDS, "Plan", "Notes"]
NUMBERS = st.sampled_from(
    [
        *fictional_numbers(3),
        "+44 20 7946 0018",
        "213 555 0123",
        "+1213",
        "",
        "1.2E+10",
        "+12135550123 x9",
        "+12135550123",
    ]
)
TEXTS = st.one_of(st.text(max_size=8), st.text('aé"ß ', min_size=250, max_size=260), st.sampled_from(["", " ", "\x00"]))
EMAILS = st.sampled_from(["", "ann@example.com", "x" * 320 + "@b", "a@" + "b" * 318])
ZONES = st.sampled_from(["", "America/New_York", "Mars/Base", "utc", "CET", " Asia/Tokyo "])
ATTEMPTS = st.sampled_from(["", "1", "11", "12", "0", "-1", "3.0", "x", "٣", "007"])
CUSTOM = st.one_of(st.text(max_size=5), st.integers(4990, 5200).map(lambda n: "x" * n), st.just("é" * 2600))


@given(st.tuples(NUMBERS, TEXTS, TEXTS, EMAILS, TEXTS, TEXTS, ZONES, ATTEMPTS, CUSTOM, CUSTOM))
def test_a_row_is_read_as_the_model_reads_the_same_fields(cells: tuple[str, ...]) -> None:
    read = ContactReader(read_columns(HEADER)).read(cells, 7)

    expected = modelled(dict(zip(HEADER, (cell.strip() for cell in cells), strict=True)))
    if isinstance(read, list):
        assert expected is None
        assert {row for row, *_ in read} == {7}
    else:
        assert read == expected


def modelled(row: Mapping[str, str]) -> dict[str, object] | None:
    """What the model stores of a row; None where it refuses it, or text that no column can hold."""
    fields: dict[str, object] = {name: row[name] for name in FIELDS if row[name]}
    attempts = row["max_attempts"]
    if attempts.isascii() and attempts.isdigit() and len(attempts) <= 2:
        fields["max_attempts"] = int(attempts)
    custom = {name: row[name] for name in ("Plan", "Notes") if row[name]}
    if any("\x00" in cell for cell in row.values()) or (row["email"] and not EMAIL.fullmatch(row["email"])):
        return None
    try:
        return Contact.model_validate({**fields, **({"custom_data": custom} if custom else {})}).stored()
    except ValidationError:
        return None


@pytest.mark.parametrize(
    ("header", "field_of"),
    [
        (["PHONE NUMBER", "first-name", "Surname", "E-Mail"], ["phone_number", "first_name", "last_name", "email"]),
        (["phone_number", "Mobile"], ["phone_number", None]),
        (["Cell", "Organisation", "Job Title", "tz"], ["phone_number", "company", "title", "timezone"]),
        (["tel.", "", "Größe"], ["phone_number", None, None]),
    ],
)
def test_columns_are_known_by_the_names_that_people_give_them(header: list[str], field_of: list[str | None]) -> None:
    assert list(read_columns(header).field_of) == field_of


@pytest.mark.parametrize("header", [["Phone", "Mobile"], ["phone", "x", "x"], ["name"], ["+12135550123"]])
def test_a_header_that_could_mean_two_things_or_nothing_is_refused(header: list[str]) -> None:
    with pytest.raises(ListError):
        read_columns(header)


@given(st.lists(st.lists(st.text('a",\r\n é', max_size=5), min_size=2, max_size=2), max_size=8), st.integers(1, 9))
def test_reading_may_begin_again_after_any_row_and_however_the_bytes_come(rows: list[list[str]], size: int) -> None:
    text = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows).encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]

    whole = list(Rows(pieces, 0, ","))

    assert [cells for cells, *_ in whole] == rows
    assert [fault for _, fault, _ in whole] == [None] * len(rows)
    for index, (*_, end) in enumerate(whole):
        assert list(Rows([text[end:]], end, ",")) == whole[index + 1 :]
