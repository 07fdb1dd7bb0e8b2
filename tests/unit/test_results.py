from __future__ import annotations

import csv
import io
import json

import pytest

from shared.results import Table, harmless


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM(A1)",
        "=cmd|' /C calc'!A0",
    ],
)
def test_a_cell_that_would_be_a_formula_begins_with_an_apostrophe(text: str) -> None:
    assert harmless(text) == "'" + "".join(f"{one}'" if one in "\t\r\n" else one for one in text)


@pytest.mark.parametrize("separator", [";", "\t", "\r\n", "\n"])
def test_a_cell_that_another_separator_would_begin_is_none_either(separator: str) -> None:
    assert harmless(f"Hello{separator}=1+1") == f"Hello{separator}'=1+1"


@pytest.mark.parametrize("text", ["", "Ada", "a=b", "3 - 2", "ada@example.com", "'quoted'", "Zoë, Łódź\n\nTwo"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None),
        (0, 0),
        (42, 42),
        (-5, "'-5"),
        (1.5, "1.5"),
        (True, "true"),
        (["=1"], '["=1"]'),
        ({"é": 1}, '{"é": 1}'),
    ],
)
def test_what_is_no_text_is_written_as_json(value: object, cell: object) -> None:
    assert harmless(value) == cell


def test_a_phone_number_keeps_its_plus_and_all_its_digits() -> None:
    assert harmless("+12135550123") == "'+12135550123"


def test_a_file_is_utf_8_with_its_mark_and_reads_back_as_what_was_written() -> None:
    table = Table(("name", "plan"), ["city", "plan", "=evil"])

    content = table.header() + table.lines([['Zoë "Z", Inc', None, {"city": "Łódź", "plan": "gold", "=evil": "=1"}]])

    assert content.startswith(b"\xef\xbb\xbfname,plan,city,custom_data.plan,'=evil\r\n")
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert row == {
        "name": 'Zoë "Z", Inc', "plan": "", "city": "Łódź", "custom_data.plan": "gold", "'=evil": "'=1",
    }  # fmt: skip


def test_too_many_custom_fields_share_a_column() -> None:
    table = Table(("name",), None)

    content = table.header() + table.lines([["Ada", {"a": 1, "b": "=2"}]])

    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert json.loads(row["custom_data"]) == {"a": 1, "b": "=2"}
