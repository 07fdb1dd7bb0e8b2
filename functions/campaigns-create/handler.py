"""POST /campaigns-create: store a campaign: a name for batches, and their defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import campaigns
from shared.people import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.campaign_answers import Campaign
    from shared.idempotency import Attempt, Created


@creation(campaigns.NewCampaign, failure="Failed to create campaign")
def main(caller: Caller, campaign: campaigns.NewCampaign, attempt: Attempt) -> Created[Campaign]:
    return campaigns.create(caller, campaign, attempt)
