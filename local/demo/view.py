"""The demo on the screen: one live picture in a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from local.demo.witness import News, Zone

    Draw = Callable[["Frame"], RenderableType]
    Tell = Callable[["Frame"], str]

WIDTH = 96
NEWS_SHOWN = 6
SECONDS_BETWEEN_LINES = 5.0
PACE_OVER_SECONDS = 20
PACE_KNOWN_AFTER_SECONDS = 3
SPARKS = " ▁▂▃▄▅▆▇"
COLOURS = {
    "pending": "bright_black",
    "queued": "blue",
    "in_progress": "yellow",
    "completed": "green",
    "failed": "red",
    "skipped": "magenta",
}
STATUS_STYLES = {"processing": "bold green", "paused": "bold yellow", "completed": "bold cyan", "failed": "bold red"}
OUTCOMES = {"answered": "green", "no_answer": "yellow", "busy": "yellow", "dropped": "yellow"}


@dataclass(frozen=True)
class Frame:
    """One look at the batch: as calls-batch-get shows it, and what database and oracle add. Times are in seconds."""

    batch: dict[str, Any]
    starts: dict[int, int]
    news: list[News]
    oracle: dict[str, Any]
    polls: int
    wrong_polls: int
    elapsed: float
    moving: float
    """Since the batch was created or last resumed."""
    zones: Sequence[Zone] = ()

    @property
    def total(self) -> int:
        return self.batch["total_contacts"]

    @property
    def finished(self) -> int:
        return self.total - self.batch["remaining_count"]

    @property
    def started(self) -> int:
        """People called at least once, or being called."""
        return self.finished + self.batch["in_progress"]

    @property
    def calls_in_minute(self) -> int:
        return sum(self.starts.values())

    @property
    def is_running(self) -> bool:
        return self.batch["status"] in ("pending", "processing")

    @property
    def eta(self) -> float | None:
        """Seconds until nobody remains, at the latest pace and with as many calls a person as so far; None where that
        depends on calling hours.
        """
        window = min(self.moving, PACE_OVER_SECONDS)
        recent = sum(calls for ago, calls in self.starts.items() if ago < window)
        if self.zones or window < PACE_KNOWN_AFTER_SECONDS or not (recent and self.started and self.is_running):
            return None
        calls_a_person = self.oracle["accepted"] / self.started
        return self.batch["remaining_count"] * calls_a_person * window / recent


class View(Protocol):
    """Where the demo is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def show(self, frame: Frame) -> None:
        """Takes the batch as it is now."""
        ...


def view_on(console: Console, draw: Draw | None = None, tell: Tell | None = None) -> View:
    """The picture in a terminal; lines where it would be noise: in files and the logs of CI."""
    return Picture(console, draw or picture) if console.is_terminal else Lines(console, tell or line)


class Picture:
    """Redraws one picture in place."""

    def __init__(self, console: Console, draw: Draw) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._draw = draw

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, frame: Frame) -> None:
        self._live.update(self._draw(frame), refresh=True)


class Lines:
    """Prints a line every few seconds, and one at once whenever the batch's status changes."""

    def __init__(self, console: Console, tell: Tell) -> None:
        self._console = console
        self._tell = tell
        self._next = 0.0
        self._status: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def show(self, frame: Frame) -> None:
        if frame.elapsed < self._next and frame.batch["status"] == self._status:
            return
        self._next, self._status = frame.elapsed + SECONDS_BETWEEN_LINES, frame.batch["status"]
        self._console.print(self._tell(frame), highlight=False, soft_wrap=True)


def line(frame: Frame) -> str:
    """The batch in one line of text."""
    batch, most = frame.batch, f"{frame.calls_in_minute}/{frame.batch['calls_per_minute']}"
    people = f"{frame.finished:,} of {frame.total:,} done ({batch['completed']} reached)"
    live = f"{batch['in_progress']}/{batch['max_concurrent']} live"
    return (
        f"{clock(frame.elapsed)}  {batch['status']:<10}  {people} · {live} · {most} calls in 60 s"
        f" · {frame.oracle['double_dials']} double dials · to go {clock(frame.eta)}"
    )


def picture(frame: Frame) -> RenderableType:
    """The batch as a panel, always of the same height."""
    return panel(frame, heading(frame), "", _states(frame), "", _limits(frame), "", _news(frame))


def panel(frame: Frame, *parts: RenderableType) -> RenderableType:
    """The parts under each other, in a frame with the batch's name."""
    title = Text.assemble(("Batchline", "bold"), f" · {frame.batch['name']}")
    return Panel(Group(*parts), title=title, title_align="left", padding=(0, 2), border_style="bright_black")


def clock(seconds: float | None) -> str:
    """`2:05`, or a dash for None."""
    return "-" if seconds is None else f"{ceil(seconds) // 60}:{ceil(seconds) % 60:02}"


def heading(frame: Frame) -> RenderableType:
    """The batch's status, and how long it has taken and will."""
    status = frame.batch["status"]
    done = Text.assemble(
        (f"● {status}", STATUS_STYLES.get(status, "bold")), f"   {frame.batch['progress_percentage']:.1f} % done"
    )
    times = Text.assemble(("elapsed ", "dim"), clock(frame.elapsed), ("   to go ", "dim"), clock(frame.eta))
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_row(done, times)
    return grid


def _states(frame: Frame) -> RenderableType:
    grid = _gauges()
    for state, colour in COLOURS.items():
        people = frame.batch[state]
        grid.add_row(state.replace("_", " "), _bar(people, frame.total, colour), Text(f"{people:,}", colour))
    return grid


def _limits(frame: Frame) -> RenderableType:
    batch, pace, oracle = frame.batch, frame.batch["calls_per_minute"], frame.oracle
    grid = _gauges()
    grid.add_row("calls in 60 s", _bar(frame.calls_in_minute, pace, "cyan"), f"{frame.calls_in_minute} / {pace}")
    grid.add_row(
        "live calls",
        _bar(batch["in_progress"], batch["max_concurrent"], "cyan"),
        f"{batch['in_progress']} / {batch['max_concurrent']}",
    )
    grid.add_row("each second", Sparks(frame.starts, ceil(pace / 60)), f"≤ {ceil(pace / 60)}")
    seen = f"{oracle['accepted']:,} calls, at most {oracle['most_concurrent']} at once"
    grid.add_row("provider saw", Text.assemble(seen, "; ", count(oracle["double_dials"], "double dials")))
    counters = Text.assemble(count(frame.wrong_polls, "differences"), f" from the contacts in {frame.polls} looks")
    grid.add_row("counters", counters)
    return grid


@dataclass(frozen=True)
class Sparks:
    """The latest full seconds, oldest first, as many as fit, each as high as its part of one second's share."""

    starts: dict[int, int]
    share: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        highest = len(SPARKS) - 1
        parts = (self.starts.get(ago, 0) * highest / self.share for ago in range(min(options.max_width, 59), 0, -1))
        yield Text("".join(SPARKS[min(ceil(part), highest)] for part in parts), "cyan", no_wrap=True)


def _news(frame: Frame) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for width in (8, 18, 15):
        grid.add_column(width=width, no_wrap=True)
    grid.add_column(no_wrap=True)
    for news in frame.news[:NEWS_SHOWN]:
        who = (news.name or "", news.phone_number or "") if news.phone_number else ("the batch", "")
        grid.add_row(Text(f"{news.at.astimezone():%H:%M:%S}", "dim"), *who, _event(news))
    for _ in range(NEWS_SHOWN - len(frame.news)):
        grid.add_row("")
    return grid


def _event(news: News) -> Text:
    if news.event == "ended" and news.outcome:
        talked = f", {news.duration_seconds} s" if news.outcome == "answered" else ""
        attempt = f" (call {news.attempt} of {news.max_attempts})" if news.attempt != 1 or not talked else ""
        return Text(news.outcome.replace("_", " ") + talked + attempt, OUTCOMES.get(news.outcome, "red"))
    by = f" by {news.actor}" if news.actor else ""
    reason = f": {news.reason}" if news.reason else ""
    return Text(news.event.replace("_", " ") + by + reason, "bold")


def _gauges() -> Table:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(width=13, no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True)
    grid.add_column(width=9, justify="right", no_wrap=True)
    return grid


def _bar(value: int, total: int, colour: str) -> ProgressBar:
    return ProgressBar(total, min(value, total), style="grey23", complete_style=colour, finished_style=colour)


def count(number: int, what: str) -> Text:
    """Something of which there should be none."""
    return Text(f"{number} {what}", "green" if number == 0 else "bold red")
