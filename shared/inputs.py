"""What clients send: JSON text to an object, an object to a model, and every problem as a sentence that names it."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.errors import BadRequestError, PayloadTooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

MAX_BYTES = 4 * 1024 * 1024
MAX_NESTING = 32
MAX_DIGITS = 18
ERRORS_SHOWN = 100
ERRORS_LOOKED_AT = 50_000  # each of them takes a kilobyte: half a million, which fit into 4 MB, would be too many
TOO_DEEP = f"The body is nested deeper than {MAX_NESTING} levels"
TOO_LARGE = "The body holds a number that is too large"
# PostgreSQL stores neither NUL nor half a surrogate pair; written out in full they are no JSON at all.
PERHAPS_UNSTORABLE = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

PREDICATES = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "string_too_short": "must be at least {min_length:,} character long",
    "string_too_long": "must be at most {max_length:,} characters long",
    "too_long": "must hold at most {max_length:,} entries",
    "too_short": "must hold at least {min_length:,} entry",
    "greater_than_equal": "must be at least {ge:,.10g}",
    "less_than_equal": "must be at most {le:,.10g}",
    "literal_error": "must be one of {expected}",
    "value_error": "{error}",
}


class Input(BaseModel):
    """A body or a query. A field it does not know is refused, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


Model = TypeVar("Model", bound=BaseModel)


def _digits(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not (value.isascii() and value.isdigit()):
        raise ValueError("must be a whole number of at least 0")
    if len(value) > MAX_DIGITS:
        raise ValueError("is too large")
    return int(value)


Text = Annotated[str, Field(max_length=255)]
MAX_INT = 2**31 - 1  # PostgreSQL's int
Whole = Annotated[int, Field(strict=True, le=MAX_INT)]
Number = Annotated[float, Field(strict=True)]
# A number in a query is text; where a page starts must be an int, how long it may be is cut off by the reader.
PageLength = Annotated[int, Field(ge=0, lt=10**MAX_DIGITS), BeforeValidator(_digits)]
PageStart = Annotated[int, Field(ge=0, le=MAX_INT), BeforeValidator(_digits)]
PageCursor = Annotated[int, Field(ge=0, lt=10**MAX_DIGITS), BeforeValidator(_digits)]  # a bigint


def iso_time(value: object) -> datetime:
    """The time that an ISO 8601 text says: in UTC where it has an offset, since PostgreSQL reads none beyond 16 hours.

    Without one it stays as it is: what it means is for the caller to say. Raises ValueError, as validators do.
    """
    with suppress(ValueError, OverflowError):  # the latter where UTC is beyond the calendar's first or last hours
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time
    raise ValueError("must be an ISO 8601 time, such as 2030-01-16T09:00:00Z")


def parse_json(raw: bytes) -> dict[str, Any]:
    """The JSON object that a body is; an empty body is an empty object.

    Raises PayloadTooLargeError over 4 MB; BadRequestError for anything that is no JSON object, for NaN and Infinity,
    for a name given twice, for nesting over 32 levels, and for text that no database column can hold.
    """
    if len(raw) > MAX_BYTES:
        raise PayloadTooLargeError("The body is larger than 4 MB")
    loaded: object = _load(raw) if raw.strip() else {}
    if not isinstance(loaded, dict):
        raise BadRequestError("The body must be a JSON object")
    value = cast("dict[str, Any]", loaded)
    if PERHAPS_UNSTORABLE.search(raw):
        for place in _unstorable(value, ""):
            raise BadRequestError(f"{_shown(place)} holds a character that cannot be stored")
    return value


def validate(model: type[Model], given: Mapping[str, object]) -> Model:
    """The model of what was given.

    Raises BadRequestError whose sentence is the first problem. Where a list's entry is at fault, or more than one
    thing is, it carries `errors` (the first 100: index, field, message) and `error_count` as well. Beyond 50,000
    problems it says only that.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        if error.error_count() > ERRORS_LOOKED_AT:
            raise BadRequestError(f"The body is wrong in more than {ERRORS_LOOKED_AT:,} places") from None
        problems = error.errors(include_url=False)
    members: dict[str, object] = {}
    if len(problems) > 1 or isinstance(_index(problems[0]), int):
        members = {"errors": [_entry(problem) for problem in problems[:ERRORS_SHOWN]], "error_count": len(problems)}
    raise BadRequestError(_sentence(problems[0]), members=members)


def _load(raw: bytes) -> object:
    try:
        value: object = json.loads(
            raw.decode(), parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_without_repeats
        )
    except UnicodeDecodeError:
        raise BadRequestError("The body is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadRequestError(f"The body is not valid JSON: {error.msg} ({where})") from None
    except RecursionError:
        raise BadRequestError(TOO_DEEP) from None
    except ValueError:  # Python refuses to read an integer of more than 4,300 digits
        raise BadRequestError(TOO_LARGE) from None
    if _nested_deeper(value, MAX_NESTING):
        raise BadRequestError(TOO_DEEP)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequestError(f"The body is not valid JSON: {name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadRequestError(TOO_LARGE)
    return number


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in times.items() if count > 1)
        raise BadRequestError(f"The body names {_shown(repeated)} twice")
    return found


def _nested_deeper(value: object, levels: int) -> bool:
    generation = [value]
    for _ in range(levels):
        generation = [child for node in generation for child in _children(node)]
        if not generation:
            return False
    return any(isinstance(node, (dict, list)) for node in generation)


def _children(node: object) -> Iterator[object]:
    if isinstance(node, dict):
        return iter(cast("dict[str, object]", node).values())
    return iter(cast("list[object]", node) if isinstance(node, list) else ())


def _unstorable(value: object, place: str) -> Iterator[str]:
    if isinstance(value, str):
        if UNSTORABLE.search(value):
            yield place
    elif isinstance(value, dict):
        for name, child in cast("dict[str, object]", value).items():
            if UNSTORABLE.search(name):
                yield f"The name of a field in {place or 'the body'}"
            yield from _unstorable(child, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, child in enumerate(cast("list[object]", value)):
            yield from _unstorable(child, f"{place}[{index}]")


def _sentence(problem: ErrorDetails) -> str:
    return f"{_place(problem['loc'])} {_predicate(problem)}".strip()


def _entry(problem: ErrorDetails) -> dict[str, object]:
    location, index = problem["loc"], _index(problem)
    if index is None:
        return {"field": _place(location), "message": _sentence(problem)}
    field = _place(location[2:])
    return {"index": index, "field": field or None, "message": f"{field} {_predicate(problem)}".strip()}


def _index(problem: ErrorDetails) -> int | None:
    location = problem["loc"]
    return location[1] if len(location) > 1 and isinstance(location[1], int) else None


def _predicate(problem: ErrorDetails) -> str:
    if problem["input"] is None and problem["type"].endswith("_type"):
        return "is missing"
    predicate = PREDICATES.get(problem["type"])
    return predicate.format(**problem.get("ctx", {})) if predicate else f"is not valid: {problem['msg']}"


def _place(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return _shown(text.removeprefix("."))


def _shown(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:100]}…"
