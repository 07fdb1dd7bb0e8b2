"""A block of cases: one kind of attack on one operation, with a seed of its own, and what it came to."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.attacks import ground as grounds
from tests.attacks.checks import Document, Judge
from tests.attacks.shots import KINDS
from tests.attacks.target import Target
from tests.attacks.wire import send
from tests.openapi.contract import operations, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.attacks.ground import Ground
    from tests.attacks.wire import Shot

MOST_TOLD = 5
UNCONCERNED = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
REPEATED = re.compile(rb"((?:%[0-9A-F]{2}){1,4}|[^%]{1,6}?)\1{9,}", re.DOTALL)
SIGNATURES = ("signed", "signed", "signed", "signed", "signed", "signed", "nobody", "owner")


@dataclass(frozen=True)
class Block:
    """So many cases of one kind, told apart from further ones by their number (`part`)."""

    kind: str
    operation: str
    cases: int
    part: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.operation} {self.kind} {self.part}"

    @property
    def own_seed(self) -> int:
        return zlib.crc32(f"{self.seed} {self.name}".encode())


@dataclass
class Outcome:
    """How many cases were sent, by the answer's status (0: none), and what did not hold: sentences, with the case."""

    block: Block
    statuses: Counter[int] = field(default_factory=Counter[int])
    faults: list[str] = field(default_factory=list[str])
    further_faults: int = 0

    def blame(self, sentence: str, sent: bytes) -> None:
        """Notes a fault; of many in one block only the first are told whole."""
        if len(self.faults) < MOST_TOLD:
            self.faults.append(f"{self.block.name}: {sentence}\n    {_shown(sent)!r}")
        else:
            self.further_faults += 1


def _shown(sent: bytes) -> bytes:
    """Short enough to be read: what is repeated stands once."""
    short = REPEATED.sub(rb"\1(again and again)", sent[:1_000_000])
    return short if len(short) < 3000 else short[:2500] + b" ... " + short[-400:]


def run(block: Block, ground: Ground, document: Document) -> Outcome:
    """Sends a block's requests and judges each answer, and in the end what has become of the other agency."""
    outcome = Outcome(block)
    scene = grounds.Scene(ground, block.operation)
    judge = Judge(document, scene.secrets)
    raw = document.operations[block.operation]
    target = Target(block.operation, raw, loaded()[block.operation], scene.things)
    who = _callers(raw)

    def attack(shot: Shot, caller: str) -> None:
        sent = _with_credentials(shot, caller, scene.credentials)
        answer = send(ground.url, sent)
        outcome.statuses[answer.status if answer else 0] += 1
        for fault in judge.faults(sent, answer):
            told = b"" if answer is None else b" -> " + answer.body[:600]
            outcome.blame(f"as {caller}: {fault}", sent.text() + told)

    explore(block, attack, KINDS[block.kind](target), st.sampled_from(who))
    for table in scene.what_changed():
        outcome.blame(f"another agency's rows of {table} have changed", b"")
    return outcome


def explore(block: Block, attack: Callable[..., None], *given_by: st.SearchStrategy[object]) -> None:
    """Calls `attack` with as many examples as the block has cases, always the same ones."""

    # The further number keeps a small choice from being used up before all cases are made.
    @seed(block.own_seed)
    @settings(
        max_examples=block.cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=UNCONCERNED,
    )
    @given(st.tuples(*given_by), st.integers(0, 2**64))
    def explored(values: tuple[object, ...], _: int) -> None:
        attack(*values)

    explored()


def _callers(raw: Mapping[str, object]) -> tuple[str, ...]:
    security = str(raw["security"])
    if "webhookSignature" in security:
        return SIGNATURES
    return grounds.OF_PROGRAMS if "apiKey" in security else grounds.OF_USERS


@dataclass
class _Signed:
    """As `signed` takes a request."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])


def _with_credentials(shot: Shot, caller: str, credentials: Mapping[str, Mapping[str, str]]) -> Shot:
    given = signed(_Signed(shot.body)).headers if caller == "signed" else credentials[caller]
    return shot.with_headers(given.items())


_LOADED: dict[str, object] = {}


def loaded() -> dict[str, object]:
    """The operations as schemathesis has them; of the whole process."""
    if not _LOADED:
        _LOADED.update(operations(Document().whole))
    return _LOADED
