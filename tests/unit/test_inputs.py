from __future__ import annotations

import time
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field

from shared.errors import BadRequestError, PayloadTooLargeError
from shared.inputs import Input, Number, PageLength, PageStart, Whole, iso_time, parse_json, validate


class Line(Input):
    name: Annotated[str, Field(max_length=5)]
    extra: dict[str, Any] | None = None


class Order(Input):
    id: UUID
    size: Annotated[Whole, Field(ge=1, le=60)] = 30
    weight: Number | None = None
    gift: Annotated[bool, Field(strict=True)] = False
    kind: Literal["small", "big"] | None = None
    lines: Annotated[list[Line], Field(min_length=1, max_length=2000)] | None = None


class Page(Input):
    limit: PageLength = 25
    offset: PageStart = 0


ID = "5f9f1b7e-4d1b-4a53-9a3f-1d2c3b4a5f60"


def refusal_of(raw: bytes) -> str:
    with pytest.raises(BadRequestError) as refused:
        parse_json(raw)
    return str(refused.value)


def problem_of(given: dict[str, object], model: type[Input] = Order) -> BadRequestError:
    with pytest.raises(BadRequestError) as refused:
        validate(model, given)
    return refused.value


@pytest.mark.parametrize("raw", [b"", b"  \n", b"{}"])
def test_an_empty_body_is_an_empty_object(raw: bytes) -> None:
    assert parse_json(raw) == {}


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b'{"a": 1,}', "The body is not valid JSON: "),
        (b'{"a": ', "The body is not valid JSON: Expecting value (line 1, column 7)"),
        (b"hello", "The body is not valid JSON: Expecting value (line 1, column 1)"),
        (b'{"a": "\xff"}', "The body is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "The body is not UTF-8"),
        (b"[1]", "The body must be a JSON object"),
        (b"null", "The body must be a JSON object"),
        (b'"text"', "The body must be a JSON object"),
        (b'{"a": NaN}', "The body is not valid JSON: NaN is no JSON number"),
        (b'{"a": -Infinity}', "The body is not valid JSON: -Infinity is no JSON number"),
        (b'{"a": 1e999}', "The body holds a number that is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "The body holds a number that is too large"),
        (b'{"a": 1, "b": 2, "a": 3}', "The body names a twice"),
        (b'{"a": "\\u0000"}', "a holds a character that cannot be stored"),
        (b'{"a": {"b": ["x", "\\ud800"]}}', "a.b[1] holds a character that cannot be stored"),
        (b'{"a": {"\\uDFFF": 1}}', "The name of a field in a holds a character that cannot be stored"),
    ],
)
def test_what_is_no_json_object_is_refused_with_the_reason(raw: bytes, sentence: str) -> None:
    assert refusal_of(raw).startswith(sentence)


@pytest.mark.parametrize("raw", [b'{"a": "\\ud83d\\ude00"}', '{"a": "😀"}'.encode()])
def test_a_whole_surrogate_pair_is_a_character_like_any_other(raw: bytes) -> None:
    assert parse_json(raw) == {"a": "😀"}


def test_a_written_out_backslash_before_u0000_is_no_nul() -> None:
    assert parse_json(rb'{"a": "\\u0000"}') == {"a": "\\u0000"}


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_nesting_over_32_levels_is_refused_and_32_are_not(opening: str) -> None:
    closing = "}" if opening.startswith("{") else "]"

    def nested(levels: int) -> bytes:
        return f'{{"x":{opening * (levels - 1)}1{closing * (levels - 1)}}}'.encode()

    assert parse_json(nested(32))
    for levels in (33, 34, 100_000):
        assert refusal_of(nested(levels)) == "The body is nested deeper than 32 levels"


def test_a_body_of_4_mb_is_read_and_a_byte_more_is_too_large() -> None:
    whole = b'{"a":"' + b"x" * (4 * 1024 * 1024 - 8) + b'"}'

    assert len(parse_json(whole)["a"]) == 4 * 1024 * 1024 - 8
    with pytest.raises(PayloadTooLargeError, match="The body is larger than 4 MB"):
        parse_json(whole + b" ")


def test_a_good_body_becomes_the_model() -> None:
    order = validate(Order, {"id": ID, "kind": "big", "weight": 2})

    assert order == Order(id=UUID(ID), kind="big", weight=2.0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "id is missing"),
        ({"id": None}, "id is missing"),
        ({"id": "17"}, "id must be a UUID"),
        ({"id": ""}, "id must be a UUID"),
        ({"id": 17}, "id must be a UUID"),
        ({"id": ID, "size": 0}, "size must be at least 1"),
        ({"id": ID, "size": 61}, "size must be at most 60"),
        ({"id": ID, "size": "30"}, "size must be a whole number"),
        ({"id": ID, "size": 1.5}, "size must be a whole number"),
        ({"id": ID, "size": True}, "size must be a whole number"),
        ({"id": ID, "weight": "heavy"}, "weight must be a number"),
        ({"id": ID, "weight": True}, "weight must be a number"),
        ({"id": ID, "gift": "yes"}, "gift must be true or false"),
        ({"id": ID, "kind": "huge"}, "kind must be one of 'small' or 'big'"),
        ({"id": ID, "color": "red"}, "color is not a known field"),
        ({"id": ID, "lines": "none"}, "lines must be a list"),
        ({"id": ID, "lines": []}, "lines must hold at least 1 entry"),
        ({"id": ID, "lines": [{"name": "a"}] * 2001}, "lines must hold at most 2,000 entries"),
    ],
)
def test_a_bad_field_is_named_in_one_sentence_and_nothing_else(given: dict[str, object], sentence: str) -> None:
    problem = problem_of(given)

    assert (str(problem), problem.code, problem.members) == (sentence, "bad_request", {})


def test_several_problems_are_all_listed_and_the_first_is_the_sentence() -> None:
    problem = problem_of({"size": 0, "color": "red"})

    assert str(problem) == "id is missing"
    assert problem.members == {
        "errors": [
            {"field": "id", "message": "id is missing"},
            {"field": "size", "message": "size must be at least 1"},
            {"field": "color", "message": "color is not a known field"},
        ],
        "error_count": 3,
    }


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        ({"name": "too long"}, "name", "name must be at most 5 characters long"),
        ({"name": 5}, "name", "name must be a string"),
        ({}, "name", "name is missing"),
        ({"name": "a", "extra": [1]}, "extra", "extra must be an object"),
        ({"name": "a", "colour": 1}, "colour", "colour is not a known field"),
        ("a", None, "must be an object"),
    ],
)
def test_an_entry_of_a_list_is_named_by_its_index(line: object, field: str | None, message: str) -> None:
    problem = problem_of({"id": ID, "lines": [{"name": "a"}, line]})

    assert problem.members == {"errors": [{"index": 1, "field": field, "message": message}], "error_count": 1}
    place = "lines[1]" if field is None else f"lines[1].{field}"
    assert str(problem) == f"{place}{message.removeprefix(field or '')}".replace("]must", "] must")


def test_the_first_hundred_problems_are_listed_and_all_are_counted() -> None:
    problem = problem_of({"id": ID, "lines": [{"name": "too long"}] * 150})

    errors: Any = problem.members["errors"]
    assert [entry["index"] for entry in errors] == list(range(100))
    assert problem.members["error_count"] == 150


def test_of_more_problems_than_anybody_will_read_none_is_listed() -> None:
    most = {f"k{number}": 1 for number in range(50_000)}

    with pytest.raises(BadRequestError) as refused:
        validate(Order, {"id": ID, **most})
    assert refused.value.members["error_count"] == 50_000
    with pytest.raises(BadRequestError, match="The body is wrong in more than 50,000 places") as refused:
        validate(Order, {"id": ID, "one": "more", **most})
    assert refused.value.members == {}


def test_the_time_to_find_a_repeated_name_grows_with_the_body_and_not_with_its_square() -> None:
    names = b",".join(b'"k%d":1' % number for number in [*range(100_000), 99_999])
    began = time.process_time()

    assert refusal_of(b"{" + names + b"}") == "The body names k99999 twice"
    assert time.process_time() - began < 5  # it took 60 s


def test_a_name_of_the_clients_making_is_cut_short() -> None:
    assert len(str(problem_of({"id": ID, "x" * 100_000: 1}))) < 200


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("25", 25), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_a_number_in_a_query_is_digits(text: str, value: int) -> None:
    assert validate(Page, {"limit": text}).limit == value


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e2", "ten", " 5", "1_000", "٣"])
def test_anything_else_is_no_number(text: str) -> None:
    assert str(problem_of({"limit": text}, Page)) == "limit must be a whole number of at least 0"


def test_a_page_cannot_start_beyond_what_the_database_counts_to() -> None:
    assert validate(Page, {"offset": "2147483647"}).offset == 2**31 - 1
    assert str(problem_of({"offset": "2147483648"}, Page)) == "offset must be at most 2,147,483,647"


@pytest.mark.parametrize("field", ["limit", "offset"])
def test_a_number_of_five_thousand_digits_is_too_large(field: str) -> None:
    assert str(problem_of({field: "9" * 5000}, Page)) == f"{field} is too large"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2099-01-16T09:00:00Z", "2099-01-16T09:00:00+00:00"),
        ("2099-01-16T09:00:00+23:59", "2099-01-15T09:01:00+00:00"),
        ("2099-01-16T09:00:00-23:22", "2099-01-17T08:22:00+00:00"),
        ("2099-01-16T09:00:00", "2099-01-16T09:00:00"),
    ],
)
def test_a_time_with_an_offset_is_one_in_utc(text: str, meant: str) -> None:
    assert iso_time(text).isoformat() == meant


@pytest.mark.parametrize(
    "value", ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01", "soon", "", 4072237200, None]
)
def test_what_is_no_time_of_the_calendar_in_utc_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be an ISO 8601 time"):
        iso_time(value)
