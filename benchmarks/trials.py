"""One agency's batches, dialled by somebody, and what database and oracle say became of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.optimum import SECOND, Life

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.ground import Account, Ground
    from benchmarks.optimum import Limits
    from benchmarks.shapes import Tenant

NOT_YET = sys.maxsize  # the end of a call that goes on


@dataclass(frozen=True)
class Batch:
    """A batch and the numbers that it calls, in order."""

    id: str
    limits: Limits
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    tenant: Tenant
    account: Account
    batches: tuple[Batch, ...]


def for_dialler(ground: Ground, tenant: Tenant, numbers: Iterator[str], minutes: int) -> Trial:
    """An agency whose batches wait for the processor; more contacts than can be called in so many minutes."""
    agency, account = ground.agency(tenant.plan)
    batches: list[Batch] = []
    for limits in tenant.batches:
        taken = _enough(limits, numbers, minutes)
        batches.append(Batch(ground.batch(agency, limits, taken), limits, taken))
    return Trial(tenant, account, tuple(batches))


def for_loop(ground: Ground, tenant: Tenant, numbers: Iterator[str], minutes: int) -> Trial:
    """The same for the simple loop, which needs an account and numbers of its own and no database."""
    batches = [Batch(str(uuid4()), limits, _enough(limits, numbers, minutes)) for limits in tenant.batches]
    return Trial(tenant, ground.account(), tuple(batches))


def _enough(limits: Limits, numbers: Iterator[str], minutes: int) -> tuple[str, ...]:
    return tuple(islice(numbers, limits.calls_per_minute * (minutes + 1)))


def arrived(ground: Ground, trial: Trial) -> list[list[Life]]:
    """By batch, the calls as the provider had them; microseconds of its monotonic clock."""
    lives: dict[str, list[Life]] = {batch.id: [] for batch in trial.batches}
    for call in ground.simulator.calls(account=trial.account.id):
        ended = call["ended_monotonic"]
        life = Life(round(call["accepted_monotonic"] * SECOND), NOT_YET if ended is None else round(ended * SECOND))
        lives[call["batch_id"]].append(life)
    return list(lives.values())


def stored(ground: Ground, trial: Trial) -> list[list[Life]]:
    """By batch, the calls as the database has them: begun is `began_at`, exactly; microseconds of its clock."""
    statement = """
        select (extract(epoch from began_at) * 1000000)::bigint, (extract(epoch from ended_at) * 1000000)::bigint
        from public.calls where batch_id = %s and began_at is not null order by began_at
    """
    return [
        [Life(began, ended or NOT_YET) for began, ended in ground.rows(statement, [batch.id])]
        for batch in trial.batches
    ]


def from_first(lives: list[list[Life]]) -> list[list[Life]]:
    """The same calls, with the first of all as zero."""
    first = min((life.begun for batch in lives for life in batch), default=0)
    return [[Life(life.begun - first, life.ended - first) for life in batch] for batch in lives]
