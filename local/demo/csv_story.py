"""What happens with `--csv`: a list is written, uploaded, imported and executed, and in the end exported again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from local.demo.api import Api, Json
from local.demo.csv_report import Results
from local.processes import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console
    from rich.progress import TaskID

    from local.demo.csv_list import PlantedList

POLL_SECONDS = 0.1
LONGEST_IMPORT_SECONDS = 60.0
COUNTERS = {"rows_read": "Rows read", "added": "Added", "duplicates_skipped": "Already listed", "invalid": "Invalid"}
NOT_FOR_AN_UPLOAD = {"contacts"}


class ListApi(Api):
    """The endpoints, also those of lists and results; `create` starts the batch whose list was uploaded."""

    draft: str
    """Its id, after the upload."""

    def upload(self, batch: Json, content: bytes) -> str:
        """The id of the import of a file, for a new draft that is otherwise like the batch."""
        options = {name: value for name, value in batch.items() if name not in NOT_FOR_AN_UPLOAD}
        asked = self._ask("POST", "calls-batch-upload", json=options)
        sent = httpx.put(
            asked["upload_url"], content=content, headers={"Content-Type": "text/csv"}, timeout=30, trust_env=False
        )
        sent.raise_for_status()
        self.draft = asked["batch_id"]
        return asked["import_id"]

    def import_status(self, import_id: str) -> Json:
        return self._ask("GET", "calls-batch-import-get", params={"import_id": import_id})

    def create(self, batch: Json) -> str:  # noqa: ARG002 - the upload took it
        """Executes the draft that the upload has made of the batch."""
        return self._ask("POST", "calls-batch-execute", json={"batch_id": self.draft})["batch_id"]

    def exports(self) -> Iterator[Json]:
        """That batch's contacts, as one file or, where that would take too long, several."""
        cursor: int | None = None
        while True:
            start = {} if cursor is None else {"cursor": cursor}
            answer = self._ask("POST", "calls-batch-export", json={"batch_id": self.draft, **start})
            yield answer
            cursor = answer["next_cursor"]
            if cursor is None:
                return


@dataclass
class CsvStory:
    """One list on its way in and out. Everything is asked for over HTTP and kept in the folder."""

    api: ListApi
    folder: Path
    console: Console
    _files: dict[str, Path] = field(default_factory=dict[str, "Path"])

    def send(self, batch: Json, planted: PlantedList) -> None:
        """Writes the list, uploads it and waits until it is imported. Raises LocalError when it cannot be."""
        self._planted = planted
        self._keep("The list", "list.csv", planted.content)
        with self._bars() as progress:
            import_id = self.api.upload(batch, planted.content)
            bars = {name: progress.add_task(text, total=planted.rows) for name, text in COUNTERS.items()}
            self._status = self._imported(import_id, progress, bars)
        url = self._status["report_url"]
        self._report = self._keep("Report of its import", "import-report.csv", _download(url)) if url else None

    def fetch(self) -> Results:
        """Exports the batch, and gathers what became of the list. Raises LocalError when an endpoint refuses."""
        exports: list[Path] = []
        with self._bars() as progress:
            bar = progress.add_task("Exported", total=len(self._planted.numbers))
            for number, answer in enumerate(self.api.exports(), 1):
                more = f"-{number}" if number > 1 else ""
                exports.append(self._keep(f"Results{more}", f"results{more}.csv", _download(answer["url"])))
                progress.advance(bar, answer["rows"])
        return Results(self._planted, self._status, self._report, exports)

    def show_files(self) -> None:
        """Prints where everything lies."""
        for text, file in self._files.items():
            self.console.print(f"{text}: {file}", highlight=False, soft_wrap=True)

    def _imported(self, import_id: str, progress: Progress, bars: dict[str, TaskID]) -> Json:
        deadline = time.monotonic() + LONGEST_IMPORT_SECONDS
        while time.monotonic() < deadline:
            status = self.api.import_status(import_id)
            for name, bar in bars.items():
                progress.update(bar, completed=status[name])
            if status["status"] == "completed":
                return status
            if status["status"] == "failed":
                raise LocalError(f"The list was not imported: {status['error_message']}")
            time.sleep(POLL_SECONDS)
        raise LocalError(f"The list was not imported within {LONGEST_IMPORT_SECONDS:.0f} s.")

    def _keep(self, text: str, name: str, content: bytes) -> Path:
        file = self.folder / name
        file.write_bytes(content)
        self._files[text] = file
        return file

    def _bars(self) -> Progress:
        columns = (TextColumn("{task.description:<14}"), BarColumn(40), MofNCompleteColumn(), TaskProgressColumn())
        return Progress(*columns, TimeElapsedColumn(), console=self.console)


def _download(url: str) -> bytes:
    return httpx.get(url, timeout=30, trust_env=False).raise_for_status().content
