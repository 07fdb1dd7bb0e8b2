"""How many cases of what: shares of the whole, in blocks that jobs can take one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.attacks.blocks import Block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WHOLE = 50_000
LARGEST = 250  # cases of a block
LISTS, PAGES, EVENTS = "lists", "pages", "events"
READER, IMPORTER, INGEST = "process-contact-imports", "process-historical-sync", "webhook-ingest"
# Of all cases; what remains is shared by the operations.
SHARES = {(READER, LISTS): 0.01, (IMPORTER, PAGES): 0.02, (INGEST, EVENTS): 0.08}
OF_EACH_OPERATION = {
    "described": 0.36,
    "fields": 0.30,
    "bodies": 0.11,
    "queries": 0.09,
    "headers": 0.09,
    "paths": 0.05,
}


def blocks(operations: Iterable[str], cases: int, seed: int, only: str = "") -> list[Block]:
    """As many cases as asked for, or a few more; with `only`, those blocks whose names contain it."""
    named = [*operations]
    wanted = {key: cases * share for key, share in SHARES.items()}
    each = (cases - sum(wanted.values())) / len(named)
    wanted |= {(name, kind): each * share for name in named for kind, share in OF_EACH_OPERATION.items()}
    found = [block for (name, kind), count in wanted.items() for block in _cut(name, kind, count, seed)]
    # The longest first, so that none is left to one job in the end.
    return sorted((block for block in found if only in block.name), key=lambda block: block.kind not in (LISTS, PAGES))


def _cut(operation: str, kind: str, count: float, seed: int) -> Iterator[Block]:
    left, part = -int(-count // 1), 0
    while left > 0:
        size = min(left, LARGEST)
        yield Block(kind, operation, size, part, seed)
        left, part = left - size, part + 1
