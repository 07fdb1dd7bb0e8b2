"""The list as somebody might send it: people in a CSV file, as a spreadsheet saves it, and rows that are faulty in a
known way."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.demo import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Row = list[str]

HEADER = ("Mobile", "First name", "Last name", "E-mail", "Time zone", "Plan")
NUMBER, FIRST_NAME, EMAIL, TIME_ZONE, PLAN = 0, 1, 3, 4, 5
PLANS = ("gold", "silver", "bronze")
UTF8_MARK = b"\xef\xbb\xbf"  # as Excel writes it
PEOPLE_A_FAULT = 100
DUPLICATE = "the number is in the list already"


@dataclass(frozen=True)
class Kind:
    """A kind of fault: the column and the problem that the report has to name, and how a good row becomes such a one.

    The words are those of the product's promise, written down once more: they are not to be made by what they test.
    """

    problem: str
    column: str = ""
    spoil: Callable[[Row], Row] = list
    encoding: str = "utf-8"


@dataclass(frozen=True, order=True)
class Fault:
    """A fault of a row, which is numbered as a spreadsheet numbers it: the header is row 1."""

    row: int
    column: str
    problem: str


@dataclass(frozen=True)
class PlantedList:
    """The file's content, the numbers in E.164 form that are good, in their order, and every fault."""

    content: bytes
    numbers: Sequence[str]
    faults: Sequence[Fault]

    @property
    def rows(self) -> int:
        return len(self.numbers) + len(self.faults)

    @property
    def duplicates(self) -> int:
        return sum(fault.problem == DUPLICATE for fault in self.faults)


def _cell(index: int, change: Callable[[str], str]) -> Callable[[Row], Row]:
    return lambda row: [change(cell) if place == index else cell for place, cell in enumerate(row)]


KINDS = (
    Kind("is empty", HEADER[NUMBER], _cell(NUMBER, lambda _: "")),
    Kind("has no country code", HEADER[NUMBER], _cell(NUMBER, lambda number: number.removeprefix("+1"))),
    Kind(
        "was turned into 1.21356E+10 by a spreadsheet, and its last digits are lost",
        HEADER[NUMBER],
        _cell(NUMBER, lambda _: "1.21356E+10"),
    ),
    Kind("has an extension, which cannot be dialled", HEADER[NUMBER], _cell(NUMBER, lambda number: f"{number} x12")),
    Kind("is no phone number that can be dialled", HEADER[NUMBER], _cell(NUMBER, lambda number: number[:-2])),
    Kind("is no e-mail address", HEADER[EMAIL], _cell(EMAIL, lambda email: email.replace("@", "."))),
    Kind("is no IANA time zone", HEADER[TIME_ZONE], _cell(TIME_ZONE, lambda _: "Pacific")),
    Kind("the row has 3 cells where the header has 6", spoil=lambda row: row[:3]),
    Kind("the row has 7 cells where the header has 6", spoil=lambda row: [*row, "call her in May"]),
    Kind("the row is not UTF-8, perhaps Latin-1", spoil=_cell(FIRST_NAME, lambda _: "Zoë"), encoding="latin-1"),
    Kind(DUPLICATE),
)


def planted(count: int, seed: int) -> PlantedList:
    """A list of `count` people and, for every PEOPLE_A_FAULT of them, a fault of each kind, but at least one."""
    chance = random.Random(seed)  # noqa: S311 - a list to show, no secret
    spoilt = [kind for kind in KINDS for _ in range(max(1, count // PEOPLE_A_FAULT))]
    order: list[Kind | None] = [*[None] * (count - 1), *spoilt]
    chance.shuffle(order)
    drawn = _rows(count + len(spoilt), seed, chance)
    lines, faults, good = [_line(HEADER)], list[Fault](), list["Row"]()
    for number, kind in enumerate([None, *order], 2):  # the first is good, so that a duplicate has what it repeats
        row = next(drawn)
        if kind is None:
            good.append(row)
            lines.append(_line(row))
        else:
            spoilt_row = kind.spoil(chance.choice(good) if kind.problem == DUPLICATE else row)
            lines.append(_line(spoilt_row, kind.encoding))
            faults.append(Fault(number, kind.column, kind.problem))
    numbers = ["+" + "".join(filter(str.isdigit, row[NUMBER])) for row in good]
    return PlantedList(UTF8_MARK + b"".join(lines), numbers, faults)


def _rows(count: int, seed: int, chance: random.Random) -> Iterator[Row]:
    """People with different numbers, of which every other is written as people write them."""
    for index, person in enumerate(people.contacts(count, seed)):
        number, first, last = person["phone_number"], person["first_name"], person["last_name"]
        shown = f"+1 ({number[2:5]}) {number[5:8]}-{number[8:]}" if index % 2 else number
        yield [shown, first, last, f"{first}.{last}@example.com".lower(), "", chance.choice(PLANS)]


def _line(row: Sequence[str], encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(row)
    return text.getvalue().encode(encoding)
