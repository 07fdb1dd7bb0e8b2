"""The list that the demo calls."""

from __future__ import annotations

import re

import pytest

from local.demo import people
from local.demo_data import AGENCIES
from shared.contacts import Contact
from shared.inputs import validate


def test_every_number_is_reserved_for_fiction_and_can_be_dialled() -> None:
    numbers = people.fictional_numbers()

    assert len(numbers) > 10_000
    assert all(re.fullmatch(r"\+1[2-9]\d\d55501\d\d", number) for number in numbers)
    assert {agency.from_number for agency in AGENCIES}.isdisjoint(numbers)
    for number in numbers[::500]:
        validate(Contact, {"phone_number": number})


def test_nobody_is_on_the_list_twice() -> None:
    listed = people.contacts(10_000, seed=1)

    assert len({contact["phone_number"] for contact in listed}) == 10_000


def test_the_seed_decides_who_is_called() -> None:
    assert people.contacts(50, seed=7) == people.contacts(50, seed=7)
    assert people.contacts(50, seed=7) != people.contacts(50, seed=8)


def test_more_people_than_there_are_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="larger than population"):
        people.contacts(50_000, seed=1)
