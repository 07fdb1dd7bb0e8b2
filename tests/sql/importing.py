"""An agency's import, verb by verb, and pages of past calls for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.sql import payloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.sql.world import World

    Json = dict[str, Any]

NEWEST = datetime(2026, 1, 31, 12, tzinfo=UTC)
COUNTERS = ("processed_calls", "imported_calls", "updated_calls", "skipped_calls", "failed_calls")


def past_calls(count: int) -> list[Json]:
    """So many calls of strangers, the newest first, all ended and billed."""
    nobody = {"agency_id": "", "batch_id": "", "contact_id": "", "id": ""}
    numbers = {"to_number": "+12135550123", "from_number": "+12125550100"}
    times = [(NEWEST - timedelta(minutes=n)).isoformat() for n in range(count)]
    told = (payloads.answered({"began_at": time, **numbers, **nobody})["billed"] for time in times)
    return [call | {"metadata": {}} for call in told]


class Import:
    """One job of the world's agency."""

    def __init__(self, world: World, **dates: str | None) -> None:
        self.world = world
        given = {"p_date_from": None, "p_date_to": None} | {f"p_{name}": value for name, value in dates.items()}
        answer = world.verb("create_historical_sync_job", p_user_id=world.agency.member, **given)
        self.id = UUID(answer["job_id"])

    @classmethod
    def claimed(cls, world: World, **dates: str | None) -> Import:
        """One that the worker named "worker" holds."""
        new = cls(world, **dates)
        assert new.claim()
        return new

    def claim(self, worker: str = "worker", lease: float = 120) -> bool:
        """Whether the worker got this job."""
        jobs = self.world.verb("claim_sync_jobs", p_worker=worker, p_limit=1000, p_lease_seconds=lease)
        return str(self.id) in [job["job_id"] for job in jobs]

    def record(
        self, calls: Sequence[object], at: str | None = None, then: str | None = None, worker: str = "worker"
    ) -> Json:
        """Records the page that begins at a cursor and is followed by another."""
        page = {"cursor": at, "calls": calls, "next_cursor": then, "total": 10, "oldest": None, "newest": None}
        return self.world.verb("record_sync_page", p_job_id=self.id, p_worker=worker, p_page=page, p_lease_seconds=120)

    def fail(self, reason: str = "why", *, final: bool = False, worker: str = "worker") -> Json:
        return self.world.verb("fail_sync_job", p_job_id=self.id, p_worker=worker, p_reason=reason, p_is_final=final)

    def release(self, reason: str | None = None, retry_after: float | None = None, worker: str = "worker") -> Json:
        return self.world.verb(
            "release_sync_job",
            p_job_id=self.id,
            p_worker=worker,
            p_reason=reason,
            p_retry_after_seconds=retry_after,
        )

    def cancel(self, user_id: UUID | None = None) -> Json:
        return self.world.verb("cancel_sync_job", p_user_id=user_id or self.world.agency.member, p_job_id=self.id)

    def row(self) -> Json:
        (found,) = (row for row in self.world.all("historical_sync_jobs") if row["id"] == str(self.id))
        return found

    def counters(self) -> tuple[int, ...]:
        """Processed, imported, updated, skipped, failed."""
        row = self.row()
        return tuple(row[name] for name in COUNTERS)

    def failures(self) -> list[tuple[str | None, str]]:
        """Of the calls that could not be read, id and reason, in order."""
        rows = [row for row in self.world.all("historical_sync_failures") if row["job_id"] == str(self.id)]
        return [(row["ultravox_call_id"], row["reason"]) for row in sorted(rows, key=lambda row: row["id"])]
