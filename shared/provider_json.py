"""The provider's JSON, made fit for the database: what no column can hold must not keep the rest of it out."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, cast

from pydantic_core import from_json

from shared.inputs import PERHAPS_UNSTORABLE, UNSTORABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A number that may be more than a float can hold: an exponent of two digits, or 300 digits before a point or exponent.
PERHAPS_TOO_LARGE = re.compile(rb"[eE](?<=\d[eE])\+?\d{2,}\s*[,}\]]|[.eE](?<=\d{300}[.eE])")
MAX_LEVELS = 100


def read(content: bytes) -> object:
    """The JSON of an answer, but for what the database could not take. Raises ValueError."""
    if not (PERHAPS_UNSTORABLE.search(content) or PERHAPS_TOO_LARGE.search(content)):
        with suppress(ValueError):  # it reads no more than 200 levels and 4,300 digits
            return from_json(content, allow_inf_nan=False)
    try:  # rare, and slower: json alone reads half a surrogate pair
        return _storable(json.loads(content, parse_constant=_no_number, parse_int=_whole))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _whole(digits: str) -> int | None:
    try:
        return int(digits)
    except ValueError:  # Python reads no more than 4,300 digits
        return None


def _storable(value: object, levels: int = MAX_LEVELS) -> object:
    """The same with U+FFFD for a character that no column can hold, and null for a number or a depth.

    A call is worth more than one such value, and all the others in the same answer or transaction more than that call.
    """
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, dict)) and not levels:
        return None
    if isinstance(value, list):
        return [_storable(one, levels - 1) for one in cast("list[object]", value)]
    if isinstance(value, dict):
        return dict(_storable_items(cast("dict[str, object]", value), levels - 1))
    return value


def _storable_items(value: Mapping[str, object], levels: int) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        yield UNSTORABLE.sub("\ufffd", name), _storable(inner, levels)
