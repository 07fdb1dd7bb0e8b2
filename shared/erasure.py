"""Forgetting a person: rows in one transaction, then the objects in which the number may stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from shared import storage
from shared.contact_imports import CONTENT_TYPE, list_object, report_object
from shared.database import rpc
from shared.inputs import Input
from shared.phone_numbers import PhoneNumber

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.result_answers import Changed, ErasedPerson


ERASED = b"[erased]"  # as the database has it
PATIENCE_SECONDS = 20  # every payload of an import that names no number is read


class Person(Input):
    """Who is to be forgotten."""

    phone_number: PhoneNumber


def erase(caller: Caller, person: Person) -> ErasedPerson:
    """Replace a person's number by a salted hash, and all else that is known of them by nothing.

    The rows go first: from their commit on no export and no list can be made that holds the person, and nothing of them
    is stored that stands in a file which was asked for before. What fails after it is made good by asking again.
    Raises ForbiddenError (not the owner), ConflictError (a call to the number is under way), StorageError.
    """
    asked = {"p_user_id": caller.user_id, "p_phone_number": person.phone_number}
    answer = rpc("erase_person", asked, seconds=PATIENCE_SECONDS)
    objects = storage.remove_all(f"exports/{answer['agency_id']}/")
    for name in answer["tasks_objects"]:
        objects += _without(name, person.phone_number, answer["number_hash"])
    for import_id in answer["reports"]:
        objects += _nameless(report_object(import_id), person.phone_number)
    storage.remove_many([list_object(import_id) for import_id in answer["lists"]])
    changed: Changed = answer["changed"] | {"objects": objects}
    return {"success": True, "number_hash": answer["number_hash"], "changed": changed}


def _nameless(name: str, phone_number: str) -> int:
    """Take a number out of the report on a list; how many objects that changed."""
    report = storage.fetch(name)
    digits = phone_number.removeprefix("+").encode()
    if report is None or digits not in report:
        return 0
    with storage.upload(name, CONTENT_TYPE) as kept:
        kept.write(report.replace(b"+" + digits, ERASED).replace(digits, ERASED))
    return 1


def _without(name: str, phone_number: str, number_hash: str) -> int:
    """Take a person out of a list of tasks; how many objects that changed."""
    content = storage.fetch(name)
    if content is None:
        return 0
    tasks: list[dict[str, Any]] = json.loads(content)
    kept = [task if task["to_number"] != phone_number else {"to_number": number_hash} for task in tasks]
    if kept == tasks:
        return 0
    storage.put_json(name, to_json(kept))
    return 1
