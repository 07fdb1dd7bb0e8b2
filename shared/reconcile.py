"""Asking the provider about calls whose fate we do not know; nothing is redialled by a timer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypedDict

from shared import database, secrets
from shared.settings import settings
from shared.telemetry import logger, mask_phone_numbers
from shared.ultravox import LookupFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.ultravox import Ultravox

AT_ONCE = 20  # questions a round; reads go at the provider's own rate, beside the dials


class Question(TypedDict):
    """A call to ask about, as `claim_questions` answers it. `asked_at` goes back with what the provider says."""

    call_id: str
    agency_id: str
    ultravox_call_id: str | None
    ultravox_agent_id: str
    asked_at: str
    created_from: str


async def reconcile(ultravox: Ultravox, agency_id: str | None = None) -> None:
    """One bounded round: leases that ran out, calls to ask about, accounts to read again. Raises DatabaseError."""
    timers = settings()
    sweep = {"p_limit": 100, "p_give_up_seconds": timers.give_up_seconds, "p_agency_id": agency_id}
    await _rpc("sweep_calls", sweep)
    due = await _rpc(
        "claim_questions",
        {
            "p_limit": AT_ONCE,
            "p_ask_after_seconds": timers.ask_after_seconds,
            "p_ask_again_seconds": timers.ask_again_seconds,
            "p_silence_seconds": timers.silence_seconds,
            "p_join_timeout_seconds": timers.join_timeout_seconds,
            "p_agency_id": agency_id,
        },
    )
    answers = await asyncio.gather(*(_ask(ultravox, question) for question in due["calls"]))
    if answers:
        await _rpc(
            "record_answers",
            {
                "p_answers": [one for answer in answers for one in answer],
                "p_ask_again_seconds": timers.ask_again_seconds,
            },
        )
    await asyncio.gather(*(_read_account(ultravox, account) for account in due["accounts"]))


async def _rpc(function: str, params: Mapping[str, object]) -> Any:
    return await asyncio.to_thread(database.rpc, function, params)


async def _ask(ultravox: Ultravox, question: Question) -> list[dict[str, object]]:
    """What `record_answers` is told: one entry, or one for each call of the provider's that carries our id."""
    asked: dict[str, object] = {"call_id": question["call_id"], "asked_at": question["asked_at"]}
    try:
        key = await _key(question["agency_id"])
        if question["ultravox_call_id"]:
            call = await ultravox.call(question["ultravox_call_id"], key)
            calls = [call] if call else []
        else:
            calls = await ultravox.calls_of(question["call_id"], key)
        if calls:
            return [{**asked, "answer": "found", "call": call} for call in calls]
        return [{**asked, "answer": "none", **await _doubts(ultravox, question, key)}]
    except LookupFailedError as error:
        logger.warning(
            "The provider could not be asked about a call", extra={"call_id": question["call_id"], "why": str(error)}
        )
        return [{**asked, "answer": "failed", "reason": mask_phone_numbers(str(error))}]


async def _doubts(ultravox: Ultravox, question: Question, key: str) -> dict[str, object]:
    """What could hide a call that was placed. Asked after the list of calls: a call moves from there, never back."""
    if question["ultravox_call_id"]:
        return {"ultravox_call_id": question["ultravox_call_id"]}
    return {
        "deleted": await ultravox.deleted_since(question["created_from"], key),
        "deletes": await ultravox.deletes_calls(question["ultravox_agent_id"], key),
    }


async def _read_account(ultravox: Ultravox, agency_id: str) -> None:
    """The provider's own limit of calls at once, which may be lower than the agency's settings say."""
    try:
        found = await ultravox.account(await _key(agency_id))
    except LookupFailedError as error:
        logger.warning("Could not read the provider's account", extra={"agency_id": agency_id, "why": str(error)})
        return
    await _rpc(
        "record_account",
        {"p_agency_id": agency_id, "p_allowed_concurrent_calls": found.get("allowedConcurrentCalls")},
    )


async def _key(agency_id: str) -> str:
    try:
        key = await asyncio.to_thread(secrets.provider_key, agency_id)
    except secrets.SecretsError as error:
        raise LookupFailedError(str(error)) from error
    if key is None:
        raise LookupFailedError("Agency API key not configured")
    return key
