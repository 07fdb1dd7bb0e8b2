"""The command: its options, the stack it runs on, and what it prints."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import psycopg
from rich.console import Console, Group

from local import keys
from local.demo import hours, people
from local.demo.api import Api
from local.demo.csv_list import planted
from local.demo.csv_report import list_promises
from local.demo.csv_story import CsvStory, ListApi
from local.demo.hours_report import figures, hours_promises
from local.demo.hours_story import HoursStory
from local.demo.hours_view import HoursView
from local.demo.past import import_past, imported_once
from local.demo.report import promises, report
from local.demo.story import Story
from local.demo.view import WIDTH, Frame, picture, view_on
from local.demo.witness import Witness
from local.demo_data import ACME
from local.postgres import Server
from local.processes import LocalError
from local.simulator.client import Simulator
from local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from rich.console import RenderableType

    from local.demo.report import Promise
    from local.demo.view import Draw, View

    Played = tuple["Album", list[Promise], RenderableType]  # what the picture is made of, what was seen, the report

USER = "owner@acme.test"
RETRY = {"max_attempts": 3, "delay_minutes": 0.1, "growth": 2}
FEWEST, MOST = 50, 10_000
RESULTS = "demo-results"
PEOPLE, LISTED, SLEEPERS = 1000, 400, 400  # on the lists, if nothing is said
PICTURE_AT = 0.6  # of the people dealt with: when the live picture for --svg is taken


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m local demo",
        description="Calls a list of people, who are simulated, imports past calls, and reports whether every promise "
        "was kept.",
    )
    top.add_argument(
        "--contacts",
        type=_contacts,
        metavar="N",
        help=f"how many people (default {PEOPLE}, or {SLEEPERS} with --hours, {LISTED} and the faulty rows with --csv)",
    )
    other = top.add_mutually_exclusive_group()
    other.add_argument("--hours", action="store_true", help="call people in 40 time zones within calling hours instead")
    other.add_argument(
        "--csv",
        type=_folder,
        nargs="?",
        const=RESULTS,
        metavar="FOLDER",
        help="the people come as a CSV file, some rows of which are faulty, and what became of them is exported as "
        f"another: all files are then in FOLDER (default {RESULTS})",
    )
    top.add_argument("--seed", type=int, default=1, help="who they are and how they behave (default 1)")
    top.add_argument(
        "--calls-per-minute", type=int, default=600, metavar="N", help="the pace (default 600; --hours has its own)"
    )
    top.add_argument("--max-concurrent", type=int, default=60, metavar="N", help="live calls at once (default 60)")
    top.add_argument("--svg", type=Path, metavar="FILE", help="also write a picture of the run")
    return top


def main(argv: list[str]) -> int:
    """Runs the demo and returns the exit status: 0 only if every promise was kept. Raises LocalError."""
    options = parser().parse_args(argv)
    options.contacts = options.contacts or (SLEEPERS if options.hours else LISTED if options.csv else PEOPLE)
    console = _console()
    began = time.monotonic()
    console.print("Starting PostgreSQL, PostgREST, the gateway, the provider's simulator and the schedule …")
    try:
        with _stack(options.seed) as stack:
            console.print(f"Ready after {time.monotonic() - began:.1f} s: {stack.url}", highlight=False)
            status = _play(stack, options, console)
    except (httpx.HTTPError, psycopg.Error) as error:
        raise LocalError(f"The demo cannot go on: {str(error).partition(chr(10))[0]}") from error
    console.print(f"{time.monotonic() - began:.0f} s from start to stop.", highlight=False)
    return status


def _play(stack: Stack, options: argparse.Namespace, console: Console) -> int:
    with (
        (ListApi if options.csv else Api)(stack.env, USER) as api,
        Witness(stack.database_url) as witness,
        Simulator(stack.simulator_url) as simulator,
    ):
        listed = CsvStory(api, options.csv, console) if isinstance(api, ListApi) else None
        if options.hours:
            album, kept, told = _play_hours(api, witness, simulator, options, console)
        elif listed:
            album, kept, told = _play_list(listed, witness, simulator, options, console)
        else:
            api_key = keys.load_or_make(stack.folder / "keys.json").agencies[ACME.slug].ultravox_api_key
            album, kept, told = _play_all(api, witness, simulator, options, console, api_key)
    console.print(told)
    if listed:
        listed.show_files()
    if options.svg:
        options.svg.write_text(_svg(Group(*album.pictures(), told)))
    return 0 if all(promise.held for promise in kept) else 1


def _play_list(
    listed: CsvStory, witness: Witness, simulator: Simulator, options: argparse.Namespace, console: Console
) -> Played:
    batch = _batch(options)
    listed.send(batch, planted(options.contacts, options.seed))
    album = Album(picture)
    with view_on(console) as view:
        evidence = Story(listed.api, witness, simulator, album.kept_of(view)).run(batch)
    kept = [*promises(evidence), *list_promises(listed.fetch(), evidence.accepted)]
    return album, kept, report(evidence, kept)


def _play_all(
    api: Api, witness: Witness, simulator: Simulator, options: argparse.Namespace, console: Console, api_key: str
) -> Played:
    album = Album(picture)
    with view_on(console) as view:
        evidence = Story(api, witness, simulator, album.kept_of(view)).run(_batch(options))
    past = import_past(api, witness, simulator, ACME.id, api_key, console)
    kept = [*promises(evidence), imported_once(past)]
    return album, kept, report(evidence, kept)


def _play_hours(
    api: Api, witness: Witness, simulator: Simulator, options: argparse.Namespace, console: Console
) -> Played:
    listed = hours.contacts(options.contacts, options.seed)
    now = datetime.now(UTC)
    window = hours.around(now)
    drawn = HoursView(window)
    album = Album(drawn.picture)
    with view_on(console, drawn.picture, drawn.line) as view:
        story = HoursStory(api, witness, simulator, album.kept_of(view), hours=window)
        evidence = story.run_hours(_batch(options) | hours.settings(window, listed, now))
    kept = hours_promises(evidence)
    return album, kept, report(evidence.dialled, kept, figures(evidence))


class Album:
    """Keeps one picture of the batch on its way."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._frame: Frame | None = None

    def kept_of(self, view: View) -> Callable[[Frame], None]:
        """Shows frames there, and looks at them."""

        def show(frame: Frame) -> None:
            if self._frame is None or frame.finished <= PICTURE_AT * frame.total:
                self._frame = frame
            view.show(frame)

        return show

    def pictures(self) -> Iterator[Any]:
        if self._frame:
            yield self._draw(self._frame)


def _batch(options: argparse.Namespace) -> dict[str, Any]:
    """The body of calls-batch-create."""
    return {
        "name": f"{options.contacts:,} people to call",
        "agent_mapping_id": ACME.agent_mapping_id,
        "campaign_id": ACME.campaign_id,
        "from_number": ACME.from_number,
        "calls_per_minute": options.calls_per_minute,
        "max_concurrent": options.max_concurrent,
        "retry": RETRY,
        "calling_hours": None,
        "contacts": people.contacts(options.contacts, options.seed),
    }


@contextmanager
def _stack(seed: int) -> Generator[Stack]:
    """A stack on free ports in a folder that is gone afterwards; on the server of DATABASE_URL where that is set, but
    in a database of its own.
    """
    given = os.environ.get("DATABASE_URL")
    server, database = (Server(given), f"demo_{uuid4().hex}") if given else (None, None)
    folder = Path(tempfile.mkdtemp(prefix="batchline-demo-"))
    config = people.simulator_config(seed)
    is_named = False
    try:
        with Stack(folder, schedule_every=2, simulator_config=config, server=server, database=database) as stack:
            yield stack
    except LocalError as error:
        is_named = str(folder) in str(error)  # the log that it tells people to read must still be there
        raise
    finally:
        if not is_named:
            shutil.rmtree(folder)
        if server and database:
            server.drop(database)


def _console() -> Console:
    """Standard output; as wide as the report where that is no terminal."""
    console = Console()
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


def _svg(content: Any) -> str:
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(content)
    svg = console.export_svg(title="make demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # a picture that fetches nothing


def _contacts(text: str) -> int:
    count = int(text)
    if not FEWEST <= count <= MOST:
        raise argparse.ArgumentTypeError(f"between {FEWEST} and {MOST:,} people can be called")
    return count


def _folder(text: str) -> Path:
    """That folder, which is there afterwards: better refused now than when a list has been called."""
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be made a folder: {error.strerror}") from error
    return folder
