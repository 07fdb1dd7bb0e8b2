"""What happens in the demo of calling hours: a batch runs past the turn until all who remain sleep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.demo.hours_report import Asleep, HoursEvidence
from local.demo.story import Story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.demo.hours import Hours
    from local.demo.view import Frame
    from local.demo.witness import Zone


@dataclass(kw_only=True)
class HoursStory(Story):
    """A batch whose people are all over the zones."""

    hours: Hours

    def run_hours(self, batch: dict[str, Any]) -> HoursEvidence:
        """Creates the batch, sees it until only sleepers remain, asks why they are not called, and cancels it.

        Raises LocalError when an endpoint refuses.
        """
        self._create(batch)
        frame = self._watch(self._is_quiet)
        forecast = self.api.forecast(self._batch_id)
        asleep = self._asleep(frame.zones)
        at = datetime.now(UTC)
        dialled = self._evidence(frame.batch, batch["retry"]["max_attempts"])
        is_waiting = frame.is_running  # else nobody was held back, as the report will say
        skipped = self.api.cancel(self._batch_id)["contacts_skipped"] if is_waiting else 0
        return HoursEvidence(
            dialled=dialled,
            hours=self.hours,
            at=at,
            zones=frame.zones,
            whereabouts=self.witness.whereabouts(self._batch_id),
            asleep=asleep,
            forecast=forecast,
            skipped=skipped,
        )

    def _is_quiet(self, frame: Frame) -> bool:
        """Whether the turn has passed, everybody who may be called has been, and the batch waits."""
        now = datetime.now(UTC)
        awake = any(zone.waiting for zone in frame.zones if self.hours.may_begin(zone.name, now))
        until = frame.batch["waiting_until"]
        is_resting = not awake and not frame.batch["in_progress"] and until and datetime.fromisoformat(until) > now
        return bool(is_resting and now > self.hours.turn)

    def _zones(self) -> Sequence[Zone]:
        return self.witness.zones(self._batch_id)

    def _asleep(self, zones: Sequence[Zone]) -> list[Asleep]:
        """Why the first who waits in each zone is not called, in the API's words."""
        return [Asleep(zone, self.api.why(zone.next_id)) for zone in zones if zone.next_id]
