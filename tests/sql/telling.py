"""An agency that wants to be told of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.sql.world import Json, World

ALL = ("batch.started", "batch.paused", "batch.completed", "batch.failed", "batch.cancelled", "contact.finished")


def listen(world: World, events: Sequence[str] = ALL, **changes: Any) -> Json:
    given: Json = {"p_url": "https://crm.example/hooks", "p_active": True, "p_rotate": False}
    made: Json = {"p_seed": "seed", "p_secret_hash": "hash"}
    return world.verb(
        "set_notice_endpoint", p_user_id=world.agency.owner, p_events=list(events), **given | made | changes
    )
