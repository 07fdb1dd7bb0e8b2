"""GET /calls-batch-import-get: how far the import of a list is, and a report of what was wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import contact_imports
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.import_answers import ContactImport


@endpoint("GET", contact_imports.ImportReference, failure="Failed to fetch import from the database")
def main(caller: Caller, query: contact_imports.ImportReference) -> ContactImport:
    return contact_imports.fetch(caller, query)
