"""POST /person-erase: forget whoever has a phone number; the owner alone may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import erasure
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.result_answers import ErasedPerson


@endpoint("POST", erasure.Person, writes=True, owner=True, failure="Failed to erase person")
def main(caller: Caller, person: erasure.Person) -> ErasedPerson:
    return erasure.erase(caller, person)
