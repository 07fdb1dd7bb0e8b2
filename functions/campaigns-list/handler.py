"""GET /campaigns-list: the agency's campaigns, newest first, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import campaigns
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.campaign_answers import CampaignList


@endpoint("GET", campaigns.CampaignQuery, failure="Failed to fetch campaigns from the database")
def main(caller: Caller, query: campaigns.CampaignQuery) -> CampaignList:
    return campaigns.fetch_many(caller, query)
