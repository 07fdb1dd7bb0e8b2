"""`python -m local openapi`: write docs/openapi.json, or say whether it is current."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

from local.openapi import document
from local.processes import ROOT, LocalError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from pathlib import Path


def run(args: Namespace) -> int:
    """Raises LocalError with `--check` and a file that is not what the code says."""
    file: Path = document.FILE
    name, current = file.relative_to(ROOT), document.text()
    if args.check:
        check(file.read_text() if file.exists() else "{}", current)
        print(f"{name} is current.")
    else:
        file.write_text(current)
        print(f"{name} is written.")
    return 0


def check(committed: str, current: str) -> None:
    """Raises LocalError, naming the first place at which the two documents differ."""
    if committed == current:
        return
    place = next(_differences(json.loads(committed), json.loads(current), ""), "the order or the spaces")
    raise LocalError(
        f"docs/openapi.json is not what the code says, first in {place}: write it anew with `python -m local openapi`."
    )


def _differences(left: Any, right: Any, place: str) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        one, other = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
        for name in dict.fromkeys([*one, *other]):
            yield from _differences(one.get(name), other.get(name), f"{place} > {name}".removeprefix(" > "))
    elif isinstance(left, list) and isinstance(right, list):
        pairs = zip_longest(cast("list[Any]", left), cast("list[Any]", right))
        for index, (one, other) in enumerate(pairs):
            yield from _differences(one, other, f"{place} > {index}")
    elif left != right:
        yield place
