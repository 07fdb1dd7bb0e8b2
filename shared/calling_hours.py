"""Calling hours as a client sends them, in one form."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

from shared.inputs import Input
from shared.time_zones import is_iana

if TYPE_CHECKING:
    from pydantic import SerializerFunctionWrapHandler

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
MAX_WINDOWS = 12
MAX_HOLIDAYS = 366
RECIPIENT = "recipient"
CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
A_PAIR = 'must be a start and an end such as ["08:00", "21:00"]'


def _fields(given: object) -> dict[str, object] | None:
    return cast("dict[str, object]", given) if isinstance(given, dict) else None


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _length(start: str, end: str) -> int:
    return (_minutes(end) - _minutes(start) - 1) % DAY_MINUTES + 1  # over midnight; a whole day is none of 0 minutes


def _clock(value: object, *, end: bool = False) -> str:
    if not isinstance(value, str) or not (CLOCK.fullmatch(value) or (end and value == "24:00")):
        raise ValueError(f"{A_PAIR}, by the clock from 00:00 to 24:00")
    return value


def _window(value: object) -> list[str]:
    pair = cast("list[object]", value) if isinstance(value, list) else []
    if len(pair) != 2:
        raise ValueError(A_PAIR)
    start, end = _clock(pair[0]), _clock(pair[1], end=True)
    if start == end:
        raise ValueError('must not end when it starts; a whole day is ["00:00", "24:00"]')
    if _length(start, end) == 1:
        raise ValueError("must be longer than a minute: in its last minute no call begins")
    return [start, "24:00" if end == "00:00" else end]


def _holidays(value: object) -> list[str]:
    days = cast("list[object]", value) if isinstance(value, list) else [None]
    if len(days) > MAX_HOLIDAYS:
        raise ValueError(f"must hold at most {MAX_HOLIDAYS} dates")
    for day in days:
        try:
            is_date = isinstance(day, str) and date.fromisoformat(day).isoformat() == day
        except ValueError:
            is_date = False
        if not is_date:
            raise ValueError('must be a list of dates such as ["2026-12-25"]')
    return sorted({str(day) for day in days})


def _zone(name: str) -> str:
    if name != RECIPIENT and not is_iana(name):
        raise ValueError(f"must be {RECIPIENT} or an IANA time zone, such as America/New_York")
    return name


Window = Annotated[
    list[str],
    BeforeValidator(_window),
    Field(description="Start and end by the clock; one that ends before it starts runs over midnight.",
          examples=[["08:00", "21:00"]], min_length=2, max_length=2),
]  # fmt: skip
Windows = Annotated[list[Window], Field(max_length=MAX_WINDOWS)]


class Weekly(Input):
    """The windows of each day of the week; a day that is left out has none. A window belongs to the day it starts."""

    mon: Windows | None = None
    tue: Windows | None = None
    wed: Windows | None = None
    thu: Windows | None = None
    fri: Windows | None = None
    sat: Windows | None = None
    sun: Windows | None = None

    @model_validator(mode="before")
    @classmethod
    def _known_days(cls, given: object) -> object:
        for day in _fields(given) or ():
            if day not in DAYS:
                raise ValueError(f"must name its days {', '.join(DAYS)}, not {day[:20]}")
        return given

    @model_validator(mode="after")
    def _open_and_apart(self) -> Self:
        opened = sorted(
            (index * DAY_MINUTES + _minutes(start), _length(start, end), day)
            for index, day in enumerate(DAYS)
            for start, end in getattr(self, day) or ()
        )
        if not opened:
            raise ValueError('must have a window on some day, such as {"mon": [["08:00", "21:00"]]}')
        first = opened[0]
        for (start, length, day), (following, _, other) in pairwise([*opened, (first[0] + WEEK_MINUTES, *first[1:])]):
            if start + length > following:
                raise ValueError(f"has windows that overlap, on {day} and {other}; send them as one")
        return self


def _with_the_short_form(schema: dict[str, Any]) -> None:
    """Tells a reader of the schema what the validator takes beside the fields."""
    clock = {"type": "string", "pattern": f"^(?:{CLOCK.pattern}|24:00)$"}
    schema["properties"] |= {
        "start": clock | {"description": "With `end`, in place of `weekly`: the window of every day."},
        "end": clock,
    }
    schema["oneOf"] = [{"required": ["weekly"]}, {"required": ["start", "end"]}]
    del schema["required"]


class CallingHours(Input):
    """When calls may begin: for each day of the week, or one `start` and `end` for every day."""

    model_config = ConfigDict(json_schema_extra=_with_the_short_form)

    timezone: Annotated[
        str,
        AfterValidator(_zone),
        Field(description="`recipient`, each person's own time, or one IANA zone for all.", examples=[RECIPIENT]),
    ] = RECIPIENT
    weekly: Weekly
    holidays: Annotated[
        list[str],
        BeforeValidator(_holidays),
        Field(description="Dates on which no window starts.", examples=[["2026-12-25"]]),
    ] = Field(default_factory=list[str])

    @model_validator(mode="before")
    @classmethod
    def _one_form(cls, given: object) -> object:
        """The short form written out."""
        fields = _fields(given)
        if fields is None:
            return given
        if "start" not in fields and "end" not in fields:
            if "weekly" not in fields:
                raise ValueError('needs start and end, such as {"start": "08:00", "end": "21:00"}, or weekly')
            return fields
        if "weekly" in fields:
            raise ValueError("takes start and end, or weekly, not both")
        try:
            window = _window([fields.get("start"), fields.get("end")])
        except ValueError as error:
            raise ValueError(f"with start and end {error}") from None
        rest = {name: value for name, value in fields.items() if name not in ("start", "end")}
        return {**rest, "weekly": {day: [window] for day in DAYS}}

    def canonical(self) -> dict[str, Any]:
        """The one form in which hours are kept, whichever was sent."""
        return self.model_dump(mode="json", exclude_none=True) | {
            "weekly": {day: sorted(windows) for day in DAYS if (windows := getattr(self.weekly, day))}
        }


class HasCallingHours(Input):
    """What may say when people are called. Null turns the hours off; left out, they come from elsewhere."""

    calling_hours: CallingHours | None = Field(
        default=None,
        description="When calls may begin. Left out: the campaign's, or 08:00 to 21:00 every day in each person's own "
        "time; null: always.",
    )

    @model_serializer(mode="wrap")
    def _tell_null_from_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = dump(self)
        if "calling_hours" not in self.model_fields_set:
            fields.pop("calling_hours", None)
        elif "calling_hours" in fields:
            fields["calling_hours"] = self.calling_hours and self.calling_hours.canonical()
        return fields
