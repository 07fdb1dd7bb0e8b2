"""What the functions about agents answer, for types and for the OpenAPI document."""

from typing_extensions import TypedDict

from shared.batch_answers import Count


class SyncedAgents(TypedDict):
    """How the provider's list changed ours. `deactivated` are not on it any more."""

    created: Count
    updated: Count
    unchanged: Count
    deactivated: Count
