"""A list from object storage, cut into chunks: contacts, faults, and where the next chunk begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared import crash_points, storage
from shared.contact_imports import list_object
from shared.csv_columns import NUMBER, read_columns
from shared.csv_contacts import ContactReader
from shared.csv_rows import Rows, read_head
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.csv_contacts import Fault
    from shared.lists import Progress

HEAD_BYTES = 1024 * 1024
PIECE_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


@dataclass
class Chunk:
    """Rows that are stored in one transaction."""

    cursor: int
    columns: dict[str, str]
    end: int = 0
    rows_seen: int = 0
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    faults: list[Fault] = field(default_factory=list["Fault"])
    duplicates: int = 0
    invalid: int = 0

    def take(self, read: dict[str, Any] | list[Fault], row: int) -> None:
        """A contact, or what is wrong with its row."""
        if isinstance(read, list):
            self.faults += read
            self.invalid += 1
        elif read[NUMBER] in self.contacts:
            self.faults.append((row, None, "duplicate", None))
            self.duplicates += 1
        else:
            read["row"] = row
            self.contacts[read[NUMBER]] = read

    def as_json(self) -> dict[str, object]:
        """As record_contact_chunk takes it."""
        return {
            "cursor": self.cursor,
            "next_cursor": self.end,
            "rows_seen": self.rows_seen,
            "columns": self.columns,
            "contacts": list(self.contacts.values()),
            "faults": self.faults,
            "duplicates": self.duplicates,
            "invalid": self.invalid,
        }


class Chunks:
    """Iterates over what is left of a list. Raises ListError, StorageError."""

    def __init__(self, progress: Progress) -> None:
        self._name = list_object(progress["import_id"])
        self._etag = progress["etag"]
        self._size = progress["size_bytes"]
        self._cursor = progress["cursor"]
        self._rows_seen = progress["rows_seen"]

    def __iter__(self) -> Iterator[Chunk]:
        if self._cursor == self._size:
            return
        head = read_head(storage.read(self._name, self._etag, 0, min(HEAD_BYTES, self._size)))
        columns = read_columns(head.names)
        reader = ContactReader(columns)
        at_most, shown = settings().import_chunk_rows, columns.as_json()
        chunk = Chunk(self._cursor, shown)
        row, end = (self._rows_seen, self._cursor) if self._cursor else (head.rows, head.end)
        first = row
        for cells, fault, end in Rows(self._pieces(end), end, head.delimiter):  # noqa: B020 - it starts where it was
            row += 1
            if fault:
                chunk.take([(row, None, fault, None)], row)
            elif any(cells) and any(map(str.strip, cells)):
                chunk.take(reader.read(cells, row), row)
            if row - first >= at_most or end - chunk.cursor >= CHUNK_BYTES:
                chunk.end, chunk.rows_seen = end, row
                yield chunk
                chunk, first = Chunk(end, shown), row
        if chunk.cursor < self._size:
            chunk.end, chunk.rows_seen = self._size, row
            yield chunk

    def _pieces(self, start: int) -> Iterator[bytes]:
        while start < self._size:
            crash_points.reach("import_before_read")
            piece = storage.read(self._name, self._etag, start, min(start + PIECE_BYTES, self._size))
            start += len(piece)
            yield piece
