"""Which column of a list is what: a contact's fields by their names and by those that spreadsheets use for them."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.contacts import Contact
from shared.csv_rows import ListError
from shared.inputs import UNSTORABLE
from shared.phone_numbers import e164

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIELDS = tuple(Contact.model_fields)
NUMBER = "phone_number"
CUSTOM_DATA = "custom_data"
# In lower case, of letters and digits only.
SYNONYMS = {
    "phone_number": {
        *("phone", "phoneno", "number", "contactnumber", "msisdn", "mobile", "mobilenumber", "mobilephone"),
        *("cell", "cellnumber", "cellphone", "tel", "telephone", "telephonenumber", "tonumber"),
    },
    "first_name": {"first", "forename", "givenname"},
    "last_name": {"last", "surname", "familyname"},
    "email": {"mail", "emailaddress"},
    "company": {"companyname", "organization", "organisation", "employer", "business"},
    "title": {"jobtitle", "position"},
    "timezone": {"tz"},
}


@dataclass(frozen=True)
class Columns:
    """`field_of` names each column's field, None for one that goes into custom_data under its own name."""

    names: Sequence[str]
    field_of: Sequence[str | None]

    def as_json(self) -> dict[str, str]:
        """Each column's name and what it is read as."""
        return {name: field or CUSTOM_DATA for name, field in zip(self.names, self.field_of, strict=True)}

    @property
    def number(self) -> str:
        """The name of the column that holds the phone numbers."""
        return self.names[self.field_of.index(NUMBER)]


def read_columns(header: Sequence[str]) -> Columns:
    """Read a header row. Raises ListError: no phone numbers, two columns that mean or are called the same, a NUL."""
    names = [name or f"column {index}" for index, name in enumerate(header, 1)]
    for index, name in enumerate(names, 1):
        if UNSTORABLE.search(name):
            raise ListError(
                f"The name of column {index} holds a character that cannot be stored; rename it and try again"
            )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ListError(f'Two columns are called "{repeated[0]}"; give each its own name and upload the file again')
    field_of = [_field(name) for name in names]
    exact = {field for name, field in zip(names, field_of, strict=True) if _bare(name) == _bare(field or "-")}
    for index, (name, field) in enumerate(zip(names, field_of, strict=True)):
        if field in exact and _bare(name) != _bare(field or ""):
            field_of[index] = None  # beside "phone_number", a "mobile" is one thing more that is known of the person
    _refuse_twins(names, field_of)
    if NUMBER not in field_of:
        raise ListError(_without_numbers(header))
    return Columns(names, field_of)


def _refuse_twins(names: Sequence[str], field_of: Sequence[str | None]) -> None:
    seen: dict[str, str] = {}
    for name, field in zip(names, field_of, strict=True):
        if field in seen:
            raise ListError(
                f'The columns "{seen[field]}" and "{name}" could both be {field}: '
                f"call the right one {field} and upload the file again"
            )
        if field:
            seen[field] = name


def _without_numbers(header: Sequence[str]) -> str:
    for cell in header:
        with suppress(ValueError):
            e164(cell)
            return "The first row holds a phone number; put a row above it that names the columns and upload again"
    return "No column is called phone_number; name the one with the phone numbers so and upload the file again"


def _field(name: str) -> str | None:
    return _FIELD_OF.get(_bare(name))


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


_FIELD_OF: Mapping[str, str] = {_bare(field): field for field in FIELDS} | {
    synonym: field for field, synonyms in SYNONYMS.items() for synonym in synonyms
}
