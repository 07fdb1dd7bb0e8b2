"""The rows of a CSV file, read from its bytes, with the place where each ends: there reading may begin again later."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Cells = list[str]

MAX_LINE_BYTES = 1024 * 1024
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
WORKBOOKS = {b"PK\x03\x04": "an Excel workbook (.xlsx)", b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)"}
SAVE_AS = 'save it from the spreadsheet as "CSV UTF-8 (comma delimited)" and upload it again'
DELIMITERS = ",;\t|"
SEP = re.compile(r"sep=([,;\t|])", re.IGNORECASE)  # a line with which a file tells Excel its delimiter
QUOTED = re.compile(r'"[^"]*"')

NOT_UTF8 = "not_utf8"
BAD_QUOTES = "quotes"


class ListError(Exception):
    """A file that cannot be read as a list at all; the sentence says why, and what to do."""


@dataclass(frozen=True)
class Head:
    """How a file is written, the names of its columns, and where the first row below them begins."""

    delimiter: str
    names: Cells
    end: int
    rows: int
    """Rows up to `end`, as a spreadsheet numbers them."""


class Rows:
    """Iterates over (cells, fault, end): fault says why a row cannot be read (then it has no cells), end is the byte
    after it. An empty line is a row without cells.

    Raises ListError where no row ends within a megabyte.
    """

    def __init__(self, pieces: Iterable[bytes], start: int, delimiter: str) -> None:
        self._lines = _lines(pieces)
        self._end = start
        self._delimiter = delimiter
        self._again: list[bytes] = []  # lines of a row that was given up, the next one last
        self._taken: list[bytes] = []  # lines of the row that is being read
        self._is_utf8 = True

    def __iter__(self) -> Iterator[tuple[Cells, str | None, int]]:
        reader = self._reader()
        while True:
            self._taken.clear()
            self._is_utf8 = True
            fault = None
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                # A quotation mark that nobody closes must not swallow what follows: only its own line is given up.
                self._again += reversed(self._taken[1:])
                del self._taken[1:]
                reader = self._reader()
                cells, fault = [], BAD_QUOTES
            else:
                if not self._is_utf8:
                    cells, fault = [], NOT_UTF8
            self._end += sum(map(len, self._taken))
            yield cells, fault, self._end

    def _reader(self) -> Iterator[Cells]:
        return csv.reader(self._text(), delimiter=self._delimiter, skipinitialspace=True, strict=True)

    def _text(self) -> Iterator[str]:
        while (line := self._again.pop() if self._again else next(self._lines, None)) is not None:
            self._taken.append(line)
            try:
                yield line.decode()
            except UnicodeDecodeError:
                self._is_utf8 = False
                yield line.decode("latin-1")  # never shown: it only says where the row ends


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their ends: LF, CRLF or CR."""
    rest = b""
    for piece in pieces:
        lines = (rest + piece).splitlines(keepends=True)
        rest = lines.pop() if lines else b""  # it may go on in the next piece, if only from CR to LF
        if len(rest) > MAX_LINE_BYTES:
            raise ListError("The file has a line of more than 1 MB, so it is no CSV list; check what was uploaded")
        yield from lines
    if rest:
        yield rest


def read_head(start: bytes) -> Head:
    """Read how a file is written from its first megabyte. Raises ListError for what is no CSV, and without a header."""
    offset = _check_encoding(start)
    rows = 0
    first, _, _ = start[offset:].lstrip().partition(b"\n")
    delimiter = _delimiter(first.decode("latin-1"))
    for cells, fault, end in Rows([start[offset:]], offset, delimiter):
        rows += 1
        if fault == NOT_UTF8:
            raise ListError(f"The names of the columns are not UTF-8, perhaps Latin-1: {SAVE_AS}")
        if fault:
            raise ListError("The quotation marks in the header row do not match; correct it and upload the file again")
        if SEP.fullmatch(",".join(cells) or "-") or (delimiter != "," and cells[:1] == ["sep="]):
            continue
        if any(cell.strip() for cell in cells):
            return Head(delimiter, [cell.strip() for cell in cells], end, rows)
    raise ListError("The file is empty; the first row has to name the columns")


def _check_encoding(start: bytes) -> int:
    """The length of the byte order mark."""
    for mark, name in WORKBOOKS.items():
        if start.startswith(mark):
            raise ListError(f"The file is {name}, not CSV: {SAVE_AS}")
    if start.startswith(UTF16_MARKS) or start[:1000].count(0) > len(start[:1000]) // 4:
        raise ListError(f"The file is UTF-16, not UTF-8: {SAVE_AS}")
    return len(UTF8_MARK) if start.startswith(UTF8_MARK) else 0


def _delimiter(line: str) -> str:
    named = SEP.fullmatch(line.strip())
    if named:
        return named[1]
    bare = QUOTED.sub("", line)
    return max(DELIMITERS, key=bare.count)  # of none, the comma
