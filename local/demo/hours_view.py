"""The demo of calling hours on the screen: a line for each time zone, with its day, its window and its people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from local.demo.hours import CLOSES, KINDS, OPENS, SLEEPS, STAYS, Hours
from local.demo.view import Frame, clock, count, heading, line, panel

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from local.demo.witness import Zone

CELLS = 36  # of a day
CELL = timedelta(days=1) / CELLS
STYLES = {STAYS: "green", OPENS: "cyan", CLOSES: "yellow", SLEEPS: "bright_black"}


@dataclass(frozen=True)
class HoursView:
    """Draws frames of a batch with such hours; `now` is a clock."""

    hours: Hours
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def picture(self, frame: Frame) -> RenderableType:
        """The batch as a panel: what it waits for, then the zones, those in which something happens first."""
        now = self.now()
        return panel(frame, heading(frame), _provider(frame), self._waits(frame, now), "", self._zones(frame, now))

    def line(self, frame: Frame) -> str:
        """The batch in one line of text."""
        asleep = sum(zone.waiting for zone in frame.zones if not self.hours.may_begin(zone.name, self.now()))
        return f"{line(frame)} · {asleep} asleep · {self._waits(frame, self.now())}"

    def _waits(self, frame: Frame, now: datetime) -> Text:
        until = frame.batch["waiting_until"]
        if until and (at := datetime.fromisoformat(until)) > now:
            return Text(f"waits until {at:%H:%M} UTC, {_away(at - now)}", "yellow")
        left = (self.hours.turn - now).total_seconds()
        return Text(f"hours open and close in {clock(left)}" if left > 0 else "hours have opened and closed")

    def _zones(self, frame: Frame, now: datetime) -> RenderableType:
        grid = Table.grid(padding=(0, 1), expand=True)
        for width, right in ((19, False), (5, False), (CELLS, False), (5, True)):
            grid.add_column(width=width, no_wrap=True, justify="right" if right else "left")
        grid.add_column(no_wrap=True)
        for zone in sorted(frame.zones, key=lambda zone: self._place(zone, now)):
            style = STYLES[self.hours.kind(zone.name)]
            wall = now.astimezone(ZoneInfo(zone.name))
            called = f"{zone.called}/{zone.people}"
            grid.add_row(
                Text(zone.name, style), f"{wall:%H:%M}", self._day(zone.name, wall), called, self._state(zone, now)
            )
        return grid

    def _place(self, zone: Zone, now: datetime) -> tuple[int, datetime, str]:
        offset = now.astimezone(ZoneInfo(zone.name)).replace(tzinfo=UTC)
        return (KINDS.index(self.hours.kind(zone.name)), offset, zone.name)

    def _day(self, zone: str, wall: datetime) -> Text:
        """The day there from midnight to midnight: where the window is open, and where the clock stands."""
        midnight = datetime.combine(wall.date(), datetime.min.time())
        standing = int((wall.replace(tzinfo=None) - midnight) / CELL)
        day = Text()
        for cell in range(CELLS):
            at = (midnight + (cell + 0.5) * CELL).replace(tzinfo=ZoneInfo(zone))
            if cell == standing:
                day.append("●", "bold green" if self.hours.may_begin(zone, wall) else "bold red")
            else:
                day.append(*("━", "green") if self.hours.allows(zone, at) else ("─", "bright_black"))
        return day

    def _state(self, zone: Zone, now: datetime) -> Text:
        if not zone.waiting:
            return Text("all called", "green")
        if self.hours.may_begin(zone.name, now):
            return Text(f"{zone.waiting} to call", "cyan")
        if zone.opens_at < now:
            return Text(f"{zone.waiting} left, closed", "yellow")  # nobody has looked since it closed
        opens_at = zone.opens_at.astimezone(ZoneInfo(zone.name))
        return Text(f"{zone.waiting} until {opens_at:%a %H:%M}", "yellow")


def _provider(frame: Frame) -> Text:
    seen = f"provider saw {frame.oracle['accepted']:,} calls; "
    return Text.assemble(seen, count(frame.oracle["double_dials"], "double dials"), f"; {frame.batch['queued']} queued")


def _away(span: timedelta) -> str:
    hours, minutes = divmod(max(0, round(span.total_seconds() / 60)), 60)
    return f"{hours} h {minutes} min from now"
