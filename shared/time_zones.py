"""The names of time zones."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

# PostgreSQL reads these as abbreviations of an offset that is the same all year, IANA as zones with summer time.
AMBIGUOUS = frozenset({"CET", "EET", "MET", "WET"})


def is_iana(name: str) -> bool:
    """Whether this is the name of a time zone, spelled as IANA spells it, that means the same to the database."""
    return name in _names()


@lru_cache(maxsize=1)
def _names() -> set[str]:
    return available_timezones() - AMBIGUOUS  # walks the whole zone database: some 20 ms


def _iana(name: str) -> str:
    if not is_iana(name):
        raise ValueError("must be an IANA time zone, such as America/New_York")
    return name


TimeZone = Annotated[
    str,
    AfterValidator(_iana),
    Field(description="An IANA name; without it the number says where the person is.", examples=["America/New_York"]),
]
