"""A list that comes as a file, verb by verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.sql.world import World

    Json = dict[str, Any]


class Listed:
    """One import into a batch of the world's agency."""

    def __init__(self, world: World, batch_id: UUID | None = None) -> None:
        self.world = world
        self.batch_id = batch_id or world.processing(1)
        self.id = uuid4()
        world.verb(
            "create_contact_import",
            p_user_id=world.agency.owner,
            p_import_id=self.id,
            p_upload={"batch_id": str(self.batch_id)},
            p_seconds=3600,
        )

    @classmethod
    def claimed(cls, world: World, batch_id: UUID | None = None, size: int = 100) -> Listed:
        """One whose file is there and that the worker named "worker" holds."""
        new = cls(world, batch_id)
        new.arrive(size)
        while new.claim() != str(new.id):
            pass
        return new

    def arrive(self, size: int = 100) -> None:
        arrived = [{"import_id": str(self.id), "etag": "e", "size_bytes": size}]
        self.world.verb("note_uploads", p_arrived=arrived, p_missing=[])

    def claim(self, worker: str = "worker", lease: float = 90) -> str | None:
        """The id of the import that the worker got."""
        found = self.world.verb("claim_contact_import", p_worker=worker, p_lease_seconds=lease)
        assert found, "there is none"
        return found["import_id"]

    def record(
        self, numbers: Sequence[str], at: int = 0, then: int = 100, worker: str = "worker", faults: Sequence[Any] = ()
    ) -> Json:
        """Records the chunk between two places."""
        chunk = {
            "cursor": at,
            "next_cursor": then,
            "rows_seen": 1 + len(numbers) + len(faults),
            "contacts": [{"phone_number": number, "row": row} for row, number in enumerate(numbers, 2)],
            "faults": faults,
            "duplicates": 0,
            "invalid": len(faults),
            "columns": {"phone": "phone_number"},
        }
        return self.world.verb(
            "record_contact_chunk", p_import_id=self.id, p_worker=worker, p_chunk=chunk, p_lease_seconds=90
        )

    def finish(self, worker: str = "worker") -> Json:
        return self.world.verb("finish_contact_import", p_import_id=self.id, p_worker=worker, p_report_rows=0)

    def fail(self, reason: str = "why", *, final: bool = False, worker: str = "worker") -> Json:
        return self.world.verb(
            "fail_contact_import", p_import_id=self.id, p_worker=worker, p_reason=reason, p_is_final=final
        )

    def row(self) -> Json:
        (row,) = [row for row in self.world.all("contact_imports") if row["id"] == str(self.id)]
        return row
