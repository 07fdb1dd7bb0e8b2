"""GET /api-keys-list: the agency's API keys without their secrets, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import api_keys
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint("GET", api_keys.NoQuery, failure="Failed to fetch API keys from the database")
def main(caller: Caller, _query: api_keys.NoQuery) -> api_keys.ApiKeys:
    return api_keys.fetch_all(caller)
