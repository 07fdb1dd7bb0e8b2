"""What the provider sends is read, but for what the database could not take."""

from __future__ import annotations

import json

import pytest
from pydantic_core import to_json

from shared import provider_json

FITTING = [
    *("1e400", "-1e400", "1E+0400", "1" * 400 + ".5", "9" * 300 + "e9", "9" * 299 + "e99", "9" * 5000),
    *("[" * 90 + "]" * 90, "[" * 250 + "]" * 250, '{"a":' * 250 + "1" + "}" * 250),
    *('"\\ud800"', '"a\\u0000b"', '{"\\u0000": "\\udfff"}'),
]


@pytest.mark.parametrize("value", FITTING, ids=lambda value: value[:12])
def test_what_cannot_be_stored_is_left_out_and_the_rest_is_kept(value: str) -> None:
    read = provider_json.read(f'{{"before": 1, "value": {value}, "after": [1.5, "é"]}}'.encode())

    assert isinstance(read, dict)
    assert (read["before"], read["after"]) == (1, [1.5, "é"])
    written = to_json(read)
    assert not any(word in written for word in (b"Infinity", b"NaN", b"\\u0000", b"\\ud800"))
    assert json.loads(written) == read


@pytest.mark.parametrize("value", ["1e22", "1e-400", "1e308", "12345678901234567890", "-0.0", '"1e400, "', "9" * 4000])
def test_a_number_that_can_be_stored_stays_as_it_is(value: str) -> None:
    assert provider_json.read(f'{{"value": {value} }}'.encode()) == {"value": json.loads(value)}


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"{", b"NaN", b'{"a": Infinity}', b'{"a":' * 5000 + b"1" + b"}" * 5000, b"\xff\xfe\x00"]
)
def test_what_is_no_json_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind that a reader has
        provider_json.read(content)
