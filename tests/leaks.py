"""Reads along with everything that is logged while tests run, for what a log may never show."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from shared.telemetry import SERVICE, MaskingFormatter

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FORBIDDEN = re.compile(
    r"(?:\+|%2B)[1-9]\d{9,14}(?!\d)"  # a phone number in full
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"  # a token
    r"|bl_secret_[0-9a-f]{16}|whsec_\w{8}|Bearer \S{20}"
)


def leaks(text: str, secrets: Collection[str] = ()) -> list[str]:
    """The lines of a log that show a phone number, a token, a key or one of these secrets."""
    return [line for line in text.splitlines() if FORBIDDEN.search(line) or any(secret in line for secret in secrets)]


def leaks_in(folder: Path, secrets: Collection[str]) -> list[str]:
    """The same of every log file in a folder."""
    return [
        f"{file.name}: {line}"
        for file in sorted(folder.rglob("*.log"))
        for line in leaks(file.read_text(errors="replace"), secrets)
    ]


class Watch(logging.Handler):
    """Keeps the lines that leak; `secrets` are known as the tests make them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []
        self.secrets: set[str] = set()
        self._ours = MaskingFormatter(utc=True, use_rfc3339=True)
        self._others = logging.Formatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record as it would be written: ours masked, another library's as it is."""
        formatter = self._ours if record.name.split(".")[0] == SERVICE else self._others
        try:
            self.found += leaks(formatter.format(record), self.secrets)
        except Exception:  # as every handler: what cannot be written must not end the thread that wrote it
            self.handleError(record)
