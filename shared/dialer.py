"""The dialler: one run of calls-batch-process, in turns of claim, begin, dial and settle.

What may be dialled is decided in the database (claim_calls, begin_dial); here is only the order of things. A run may
die at any line: what it had claimed is released, what it had begun is asked about, by another run's reconciliation.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, cast

import stamina

from shared import crash_points, database, secrets, vitals
from shared.clock import boottime
from shared.dials import DialResult
from shared.errors import DatabaseError
from shared.reconcile import reconcile
from shared.settings import settings
from shared.telemetry import count, logger
from shared.ultravox import Ultravox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.dials import DialOrder

FUNCTION = "calls-batch-process"  # in whose name the metrics are
LONGEST_WAIT_SECONDS = 1.0  # for what no claim foretells: a batch just created, resumed or requeued
SLOT_WAIT_SECONDS = 0.25  # slots are freed by webhooks, in other processes
SETTLE_SECONDS = 1.0  # the dials of a turn that are answered by then are settled at once, the others later
RECONCILE_SECONDS = 5.0


class Claim(TypedDict):
    """The answer of `claim_calls`."""

    active: bool
    resting: bool  # nothing happens before the next run, a minute from now: everybody waits for calling hours
    calls: list[DialOrder]
    next_claim_in: float | None
    waiting_for_slot: bool


def process(
    remaining_ms: Callable[[], int], agency_id: str | None = None, seconds: float | None = None
) -> dict[str, object]:
    """Dial until the time is nearly used or nobody has anything to dial; the run's figures.

    With `agency_id` for that agency alone; with `seconds` as one of many runs: it claims for no longer, and leaves the
    deployment's vitals to whoever sent it.

    `remaining_ms` is the run's remaining time in milliseconds, as a Lambda's context tells it. What the slowest dial
    and two writes may take is kept back from it: with less than that left, nothing is claimed.
    Raises DatabaseError when the database answered nothing.
    """
    figures = asyncio.run(Dialer(remaining_ms, agency_id, seconds).run())
    count(FUNCTION, **figures)
    if figures["claims_failed"] and not figures["turns"]:
        raise DatabaseError("No claim of this run was answered")  # not "nothing to do": nobody knows
    if seconds is None:
        watch(remaining_ms)
    if not figures["turns"]:
        return {"processed": 0, "message": "No batches to process"}
    return dict(figures)


def watch(remaining_ms: Callable[[], int]) -> None:
    """Report the vitals of the whole deployment."""
    vitals.report(FUNCTION, remaining_ms)


class Dialer:
    """One run of the processor, for all agencies or for one."""

    def __init__(
        self, remaining_ms: Callable[[], int], agency_id: str | None = None, seconds: float | None = None
    ) -> None:
        self._settings = settings()
        self._deadline = boottime() + remaining_ms() / 1000 - self._settings.turn_seconds
        self._agency_id = agency_id
        self._seconds = seconds
        self._reconciled = asyncio.Event()
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._turn_size = self._settings.dial_connections // 2
        self._turns: set[asyncio.Task[None]] = set()
        self._results: Counter[str] = Counter()
        self._batches: set[str] = set()
        self._claims = 0
        self._claims_failed = 0

    async def run(self) -> dict[str, int]:
        """The run: turns overlap, so that a slow answer for one agency keeps no other waiting."""
        async with Ultravox() as ultravox:
            if self._seconds is not None:  # from here on, so that the shortest share is one turn at least
                self._deadline = min(self._deadline, boottime() + self._seconds)
            reconciling = asyncio.create_task(self._keep_reconciling(ultravox))
            try:
                while await self._turn(ultravox):
                    pass
                await self._finish_reconciling()
            finally:
                reconciling.cancel()
                await asyncio.gather(reconciling, *self._turns, return_exceptions=True)
        return self._figures()

    def _time_left(self) -> float:
        return self._deadline - boottime()

    async def _turn(self, ultravox: Ultravox) -> bool:
        """One claim and what follows from it; False when the time is over or nobody anywhere needs a worker."""
        await ultravox.lanes.until_free(self._turn_size)  # half-empty turns would cost as many round trips
        if self._time_left() <= 0:
            return False
        claim = await self._claim(self._turn_size)
        if claim is None:
            await asyncio.sleep(LONGEST_WAIT_SECONDS)
            return True
        if not (claim["active"] or self._turns):
            return False
        self._claims += 1
        if claim["calls"]:
            await self._begin(ultravox, claim["calls"])
        if claim["resting"] and not self._turns:
            return False
        await asyncio.sleep(max(0.0, min(_wait(claim), self._time_left())))
        return True

    async def _claim(self, limit: int) -> Claim | None:
        """The next calls; None when the database did not answer (a claim lost on its way is released by its lease)."""
        params = {
            "p_worker": self._worker,
            "p_limit": limit,
            "p_lease_seconds": self._settings.lease_seconds,
            "p_agency_id": self._agency_id,
        }
        try:
            claim = cast("Claim", await asyncio.to_thread(database.rpc, "claim_calls", params, repeatable=False))
        except DatabaseError:
            logger.exception("The claim failed; it is tried again")
            self._claims_failed += 1
            return None
        if claim["calls"]:
            crash_points.reach("claimed")
        return claim

    async def _begin(self, ultravox: Ultravox, orders: Sequence[DialOrder]) -> None:
        """Begins the claimed calls and starts to dial them at once; nothing waits between the two."""
        await ultravox.connect(len(orders))
        begun = await asyncio.to_thread(self._begin_dial, orders)
        self._batches.update(order["batch_id"] for order, _, _ in begun)
        dials = [asyncio.create_task(self._dial(ultravox, *dial)) for dial in begun]
        if dials:
            turn = asyncio.create_task(self._settle_turn(dials))
            self._turns.add(turn)
            turn.add_done_callback(self._turns.discard)

    def _begin_dial(self, orders: Sequence[DialOrder]) -> list[tuple[DialOrder, secrets.Account, float]]:
        """What begin_dial has begun, and by when each POST must have left.

        All in one thread: while a loop is busy with a hundred answers, each way back to it takes 20 ms.
        """
        accounts = _accounts({order["agency_id"] for order in orders})
        orders = [order for order in orders if order["agency_id"] in accounts]
        dial_by = boottime() + self._settings.dial_by_seconds  # before asking: the commit can only be later
        params = {
            "p_worker": self._worker,
            "p_call_ids": [order["call_id"] for order in orders],
            "p_lease_seconds": self._settings.lease_seconds,
        }
        try:
            begun = set(database.rpc("begin_dial", params)["begun"])
        except DatabaseError:
            logger.exception("begin_dial did not answer; its calls are not dialled")
            return []
        crash_points.reach("begun")
        return [(order, accounts[order["agency_id"]], dial_by) for order in orders if order["call_id"] in begun]

    async def _dial(self, ultravox: Ultravox, order: DialOrder, account: secrets.Account, dial_by: float) -> DialResult:
        try:
            return await self._result(ultravox, order, account, dial_by)
        except Exception:  # whatever it is, it must not take the results of the turn with it
            logger.exception("A dial went wrong in a way nobody foresaw", extra={"call_id": order["call_id"]})
            return DialResult(order["call_id"], "unknown", "The dialler failed")

    async def _result(
        self, ultravox: Ultravox, order: DialOrder, account: secrets.Account, dial_by: float
    ) -> DialResult:
        if account.provider_key is None:
            return DialResult(
                order["call_id"],
                "account_refused",
                "Agency API key not configured: store the provider's key, then resume the batch",
            )
        result = await ultravox.dial(order, account.provider_key, account.webhook_secret, dial_by)
        if result.result == "account_refused" and await asyncio.to_thread(_is_replaced, order, account.provider_key):
            # Somebody has acted already: the minutes for which we keep a key must not pause the batch again.
            return replace(result, result="not_sent", reason="The agency's API key has been replaced")
        return result

    async def _settle_turn(self, dials: Sequence[asyncio.Task[DialResult]]) -> None:
        """Settles the dials of a turn: in one round trip what is answered in time, stragglers in later ones."""
        pending = set(dials)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=SETTLE_SECONDS)
            if done:
                await self._settle([dial.result() for dial in done])

    async def _settle(self, results: Sequence[DialResult]) -> None:
        self._results.update(result.result for result in results)
        params = {"p_results": [result.as_json() for result in results]}
        crash_points.reach("before_settle")
        try:
            async for attempt in stamina.retry_context(
                on=DatabaseError, attempts=10, timeout=2 * self._settings.write_timeout_seconds
            ):
                with attempt:
                    await asyncio.to_thread(database.rpc, "settle_dials", params)
        except DatabaseError:
            # The leases run out, the calls become unknown, and the provider is asked: late, but nothing is lost.
            logger.exception(
                "Results could not be written; reconciliation will learn them", extra={"results": len(results)}
            )
        else:
            crash_points.reach("settled")

    async def _finish_reconciling(self) -> None:
        """A share of the minute may be shorter than a round of questions, and no longer one may come."""
        if self._seconds is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._reconciled.wait(), RECONCILE_SECONDS)

    async def _keep_reconciling(self, ultravox: Ultravox) -> None:
        while True:
            try:
                await reconcile(ultravox, self._agency_id)
            except Exception:  # whatever it is, the calls that wait for an answer must be asked about again
                logger.exception("Reconciliation failed; it is tried again")
            self._reconciled.set()
            await asyncio.sleep(RECONCILE_SECONDS)

    def _figures(self) -> dict[str, int]:
        return {
            "turns": self._claims,
            "claims_failed": self._claims_failed,
            "batches_processed": len(self._batches),
            "calls_initiated": self._results.total(),
            "calls_failed": self._results.total() - self._results["accepted"],
            "calls_throttled": self._results["throttled"],
            "calls_unknown": self._results["unknown"],
        }


def _accounts(agency_ids: set[str]) -> dict[str, secrets.Account]:
    """The accounts that can be read; without one, an agency's calls are not begun and go back by their lease."""
    found: dict[str, secrets.Account] = {}
    for agency_id in agency_ids:
        try:
            found[agency_id] = secrets.account(agency_id)
        except secrets.SecretsError:
            logger.exception("An agency's secrets could not be read", extra={"agency_id": agency_id})
    return found


def _is_replaced(order: DialOrder, key: str) -> bool:
    try:
        return secrets.provider_key(order["agency_id"], fresh=True) not in (key, None)
    except secrets.SecretsError:
        logger.exception("An agency's key could not be read again", extra={"agency_id": order["agency_id"]})
        return False


def _wait(claim: Claim) -> float:
    """Seconds until the next claim can find something."""
    longest = SLOT_WAIT_SECONDS if claim["waiting_for_slot"] else LONGEST_WAIT_SECONDS
    return longest if claim["next_claim_in"] is None else min(longest, claim["next_claim_in"])
