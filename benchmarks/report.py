"""Reports in Markdown that read well in a terminal too."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RESULTS = Path(__file__).parent / "results"
BARS = "▁▂▃▄▅▆▇█"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose columns are as wide as their widest cell; the first to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    rule = ["-" * width if place == 0 else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def sparkline(counts: Sequence[float], top: float | None = None) -> str:
    """One character for each count; `top` is the full height, the highest count if not given. Nothing is a dot."""
    highest = top or max(counts, default=0) or 1
    steps = len(BARS) - 1
    return "".join(BARS[min(steps, round(steps * count / highest))] if count else "·" for count in counts)


def machine() -> str:
    """What it ran on, and how busy that was with other things, in one sentence."""
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB; {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}. Load of the last minute before the start: {load:.1f}."
    )


def write(sections: Iterable[str]) -> Path:
    """Keeps a report; its file."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.md"
    file.write_text("\n\n".join(sections) + "\n")
    return file


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
