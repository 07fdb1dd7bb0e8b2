"""`python -m local licences`: docs/licences.md, the licence of everything that the locks name."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING, Any

from local.processes import ROOT, LocalError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

FILE = ROOT / "docs" / "licences.md"
# With the Apache licence of this project all of them may be used, and those of the first group shipped with it.
SHIPPABLE = re.compile(
    r"MIT(-0|-CMU)?|Apache(-2\.0)?|BSD(-[23]-Clause)?|ISC|0BSD|PSF-2\.0|Python-2\.0|CNRI-Python|MPL-2\.0|Zlib|CC0-1\.0|"
    r"BlueOak-1\.0\.0|Unlicense"
)
TOOLS_ONLY = re.compile(r"LGPL-3\.0-only|LGPL-3\.0|AFL-2\.1|GPL-3\.0-or-later")
SPELLINGS = {
    r"(The )?MIT( License)?": "MIT",
    r"Apache( Software)?( License)?(,? Version)?( 2\.0)?|Apache License 2\.0": "Apache-2.0",
    r"BSD( License)?|3-Clause BSD License|Modified BSD License": "BSD-3-Clause",
    r"Mozilla Public License 2\.0.*": "MPL-2.0",
    r"Python Software Foundation License|PSF.*": "PSF-2.0",
    r"ISC License.*": "ISC",
    r"MIT No Attribution License.*": "MIT-0",
    r"GNU Lesser General Public License v3.*": "LGPL-3.0-only",
}
INTRODUCTION = """# Licences

What Batchline is built on and under which licence, as the packages say themselves. `make licences` writes this page,
and a test says when something is missing. What is shipped with the functions is under licences that allow it beside
Apache-2.0; tools that only this repository's own tests and commands use are never shipped.
"""


def run(_args: Namespace) -> int:
    """Write the page. Raises LocalError for a licence that does not fit."""
    FILE.write_text(text())
    print("docs/licences.md is written.")
    return 0


def text() -> str:
    """The page. Raises LocalError for a package whose licence is unknown or does not fit."""
    shipped, tools = _locked("requirements.lock"), _locked("requirements-dev.lock")
    sections = {
        "Shipped with the functions": _python(shipped, may_ship=True),
        "Tools from PyPI": _python(tools - shipped, may_ship=False),
        "Tools from npm": _npm(),
    }
    tables = (
        f"\n## {title}\n\n| package | licence |\n|---|---|\n" + "\n".join(rows) for title, rows in sections.items()
    )
    return INTRODUCTION + "\n".join(tables) + "\n"


def one_licence(name: str, said: str, *, may_ship: bool) -> str:
    """A licence as SPDX writes it. Raises LocalError for one that does not fit."""
    choices = [re.split(r" AND ", choice.strip("() ")) for choice in said.split(" OR ")]
    for choice in choices:
        if all(SHIPPABLE.fullmatch(one) or (not may_ship and TOOLS_ONLY.fullmatch(one)) for one in choice):
            return said
    raise LocalError(
        f"{name} is under {said or 'no licence that it names'}, which does not fit; see local/licences.py."
    )


def _locked(file: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9][\w.-]*)==", (ROOT / file).read_text(), re.MULTILINE))


def _python(names: set[str], *, may_ship: bool) -> Iterator[str]:
    for name in sorted(names):
        try:
            about = metadata(name)
        except PackageNotFoundError:  # for other systems than this one
            continue
        yield f"| {name} | {one_licence(name, _said_by(about), may_ship=may_ship)} |"


def _said_by(about: Any) -> str:
    if expression := about.get("License-Expression"):
        return expression
    classifiers: list[str] = about.get_all("Classifier") or []
    last = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License :: ")]
    named = [one for one in last if one not in ("OSI Approved", "DFSG approved")]
    return " OR ".join(map(_spdx, named)) or _spdx((about.get("License") or "").strip())


def _spdx(said: str) -> str:
    return next((spdx for pattern, spdx in SPELLINGS.items() if re.fullmatch(pattern, said)), said)


def _npm() -> Iterator[str]:
    packages: dict[str, Any] = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    found = {
        (path.rpartition("node_modules/")[2], package.get("license", "")) for path, package in packages.items() if path
    }
    for name, said in sorted(found):
        yield f"| {name} | {one_licence(name, said, may_ship=False)} |"
