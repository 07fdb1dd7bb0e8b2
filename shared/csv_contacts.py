"""A row of a list to a contact, or to what is wrong with it. It says what the model Contact says, several times faster:
a million rows are read one by one, and most of them are nothing but text of an ordinary length."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_json

from shared.contacts import MAX_CUSTOM_DATA_BYTES
from shared.csv_columns import CUSTOM_DATA, NUMBER
from shared.inputs import UNSTORABLE
from shared.phone_numbers import e164, zones_of_number
from shared.time_zones import is_iana

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.csv_columns import Columns

    Fault = tuple[int, str | None, str, object]  # row, column, what, detail: see FAULTS in import_report.py

MAX_TEXT = 255
MAX_EMAIL = 320
MAX_ATTEMPTS = range(1, 12)
LONGEST_ESCAPE = 6  # bytes that one character can take in JSON
TEXTS = ("first_name", "last_name", "company", "title")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
# What a spreadsheet makes of a long number: 1.23E+10, or 1,23E+10.
IN_POWERS_OF_TEN = re.compile(r"\+?\d(?:[.,]\d+)?E\+?\d+", re.IGNORECASE)
# Beyond the five that spreadsheets show: with all its digits the report would hold the number of whoever is erased.
FURTHER_DIGITS = re.compile(r"(?<=[.,]\d{5})\d+")


class ContactReader:
    """Reads the rows of one list."""

    def __init__(self, columns: Columns) -> None:
        self._width = len(columns.names)
        self._names = columns.names
        place = {field: index for index, field in enumerate(columns.field_of) if field}
        self._number = place[NUMBER]
        self._texts = [(field, place[field]) for field in TEXTS if field in place]
        self._special = [(place[field], read) for field, read in SPECIAL.items() if field in place]
        self._custom = [(index, name) for index, name in enumerate(columns.names) if columns.field_of[index] is None]
        self._custom_data = place.get(CUSTOM_DATA)

    def read(self, cells: Sequence[str], row: int) -> dict[str, Any] | list[Fault]:
        """The contact of a row that is not empty, or every fault of it."""
        if len(cells) != self._width:
            cells = [*cells]
            while len(cells) > self._width and not cells[-1].strip():  # a spreadsheet's trailing delimiters
                cells.pop()
            if len(cells) != self._width:
                what = "long_row" if len(cells) > self._width else "short_row"
                return [(row, None, what, [len(cells), self._width])]
        faults: list[Fault] = []
        contact: dict[str, Any] = {}
        self._read_number(cells[self._number].strip(), row, contact, faults)
        for field, index in self._texts:
            if text := cells[index].strip():
                if len(text) > MAX_TEXT:
                    faults.append((row, self._names[index], "too_long", MAX_TEXT))
                contact[field] = text
        for index, read in self._special:
            if text := cells[index].strip():
                fault = read(text, contact)
                if fault:
                    faults.append((row, self._names[index], *fault))
        if self._custom or self._custom_data is not None:
            self._read_custom(cells, row, contact, faults)
        if not faults:
            zone = contact.get("timezone")
            contact["time_zones"] = ((zone,) if zone else zones_of_number(contact[NUMBER])) or None
        if any(map(_unstorable, cells)):
            faults += [(row, self._names[i], "unstorable", None) for i, cell in enumerate(cells) if _unstorable(cell)]
        return faults or contact

    def _read_number(self, text: str, row: int, contact: dict[str, Any], faults: list[Fault]) -> None:
        try:
            contact[NUMBER] = e164(text)
        except ValueError:
            faults.append((row, self._names[self._number], *why_no_number(text)))

    def _read_custom(self, cells: Sequence[str], row: int, contact: dict[str, Any], faults: list[Fault]) -> None:
        data: dict[str, Any] = {}
        where = None
        if self._custom_data is not None and (text := cells[self._custom_data].strip()):
            where = self._names[self._custom_data]
            found = _object(text)
            if found is None:
                faults.append((row, where, "custom_json", None))
                return
            data.update(found)
        length = 0
        for index, name in self._custom:
            if text := cells[index].strip():
                data[name] = text
                length += len(text) + len(name) + 2
        if where or length * LONGEST_ESCAPE > MAX_CUSTOM_DATA_BYTES:
            size = len(to_json(data))
            if size > MAX_CUSTOM_DATA_BYTES:
                faults.append((row, where, "custom_data", size))
        if data:
            contact[CUSTOM_DATA] = data


def why_no_number(text: str) -> tuple[str, object]:
    """What is wrong with a phone number that cannot be dialled."""
    if not text:
        return "no_number", None
    if IN_POWERS_OF_TEN.fullmatch(text):
        return "excel_number", FURTHER_DIGITS.sub("…", text)[:30]
    if re.search(r"\d\s*(?:ext\.?|x|#)\s*\d+$", text, re.IGNORECASE):
        return "extension", None
    if not text.lstrip("'( ").startswith("+") and len(re.findall(r"\d", text)) > 6:
        return "no_country_code", None
    return "invalid_number", None


def _email(text: str, contact: dict[str, Any]) -> tuple[str, object] | None:
    contact["email"] = text
    if len(text) > MAX_EMAIL:
        return "too_long", MAX_EMAIL
    return None if EMAIL.fullmatch(text) else ("email", None)


def _timezone(text: str, contact: dict[str, Any]) -> tuple[str, object] | None:
    contact["timezone"] = text
    return None if is_iana(text) else ("timezone", None)


def _max_attempts(text: str, contact: dict[str, Any]) -> tuple[str, object] | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) in MAX_ATTEMPTS):
        return "max_attempts", None
    contact["max_attempts"] = int(text)
    return None


SPECIAL = {"email": _email, "timezone": _timezone, "max_attempts": _max_attempts}


def _object(text: str) -> dict[str, Any] | None:
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or UNSTORABLE.search(json.dumps(value, ensure_ascii=False)):
        return None
    return cast("dict[str, Any]", value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


_find_unstorable = UNSTORABLE.search


def _unstorable(cell: str) -> bool:
    return _find_unstorable(cell) is not None
