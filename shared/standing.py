"""Where a contact stands and what comes next, in words, from a trail: of `contact_trail`, or of `get_contact`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.settings import Settings

    Json = dict[str, Any]


def standing(trail: Json, timers: Settings | None = None) -> str:
    """Where the contact stands, and what comes next, in a sentence or two.

    `timers` are needed to say when the provider is asked about a call, for which the trail must hold the call's leases.
    """
    contact, batch = trail["contact"], trail["batch"]
    match contact["status"]:
        case "pending":
            return _of_pending(trail, batch)
        case "queued":
            return _of_queued(trail, contact, batch)
        case "in_progress":
            (call,) = (call for call in trail["calls"] if call["id"] == contact["call_id"])
            return _of_call(trail, call, timers) if timers else _of_call_in_short(trail, call)
        case status:
            return f"{status.capitalize()} {_ago(trail, contact['completed_at'])}: {sentence(contact['reason'])}"


def _of_pending(trail: Json, batch: Json) -> str:
    match batch["status"]:
        case "scheduled":
            return f"Waits for its batch, which starts {_in(trail, batch['scheduled_for'])}."
        case "paused":
            return _paused(batch)
        case "draft":
            return "Waits: its batch is a draft, and nobody has sent it off yet."
        case _:
            return "Waits for its batch, which the next run of the processor starts."


def _of_queued(trail: Json, contact: Json, batch: Json) -> str:
    if batch["status"] == "paused":
        return _paused(batch)
    attempt = f"attempt {contact['attempts'] + 1} of {contact['max_attempts']}"
    hours = contact["hours"]
    if hours and _is_ahead(trail, hours["opens_at"]):
        where = " and ".join(hours["time_zones"])
        return f"Queued: calling hours begin {_in(trail, hours['opens_at'])} in {where}; {attempt} comes no sooner."
    if _is_ahead(trail, contact["next_attempt_at"]):
        why = f" The reason: {sentence(contact['reason'])}" if contact["reason"] else ""
        return f"Queued: {attempt} comes {_in(trail, contact['next_attempt_at'])} at the earliest.{why}"
    if _is_ahead(trail, batch.get("dial_after")):
        wait = _in(trail, batch["dial_after"])
        return f"Queued: the provider asked the agency to wait; {attempt} comes {wait} at the earliest."
    if _is_ahead(trail, batch["waiting_until"]):
        return f"Queued: its batch waits for calling hours, which begin {_in(trail, batch['waiting_until'])}."
    return f"Queued: {attempt} comes as soon as pace, concurrency and the calls before it leave a place."


def _paused(batch: Json) -> str:
    why = f" The reason: {sentence(batch['error_message'])}" if batch["error_message"] else ""
    return f"Waits: its batch is paused, until somebody resumes it.{why}"


def _of_call(trail: Json, call: Json, timers: Settings) -> str:
    match call["status"]:
        case "claimed" if _is_ahead(trail, call["claimed_until"]):
            return f"A worker ({call['claimed_by']}) has taken it and is about to dial; nobody has been asked yet."
        case "claimed":
            return "Its worker stopped before it was begun: the next run puts it back, and the attempt does not count."
        case "dialing" if _is_ahead(trail, call["claimed_until"]):
            return f"The provider is being asked to place the call, since {span(_age(trail, call['began_at']))}."
        case "dialing":
            return "Its worker stopped before it knew: the next run marks it unknown, and the provider is asked."
        case "unknown":
            return _of_unknown(trail, call, timers)
        case status:
            word = "Ringing" if status == "ringing" else "Talking"
            since = call["joined_at"] if status == "answered" and call["joined_at"] else call["accepted_at"]
            return f"{word} since {span(_age(trail, since))}. {_of_silence(trail, call, timers)}"


def _of_call_in_short(trail: Json, call: Json) -> str:
    match call["status"]:
        case "claimed":
            return "A worker has taken it and is about to dial; nobody has been asked yet."
        case "dialing":
            return f"The provider is being asked to place the call, since {span(_age(trail, call['began_at']))}."
        case "unknown":
            return (
                "The provider may have placed the call or not: it is being asked. Nobody calls this number meanwhile."
            )
        case "ringing":
            return f"Ringing since {span(_age(trail, call['accepted_at']))}."
        case _:
            return f"Talking since {span(_age(trail, call['joined_at'] or call['accepted_at']))}."


def _of_unknown(trail: Json, call: Json, timers: Settings) -> str:
    if call["none_at"]:
        said = "the provider has said once that it knows of no such call"
    elif call["asked_at"]:
        said = f"the provider was asked {_ago(trail, call['asked_at'])} and nothing was learned"
    else:
        said = "the provider has not been asked yet"
    due = [time(call["unknown_at"]) + timedelta(seconds=timers.ask_after_seconds)]
    due += [
        time(call[name]) + timedelta(seconds=timers.ask_again_seconds) for name in ("asked_at", "none_at") if call[name]
    ]
    return (
        f"Unknown since {span(_age(trail, call['unknown_at']))}: {said}; it is asked {_next(trail, max(due))}. "
        "The slot is held, and nobody calls this number meanwhile."
    )


def _of_silence(trail: Json, call: Json, timers: Settings) -> str:
    due = [time(call["news_at"]) + timedelta(seconds=timers.silence_seconds)]
    if call["asked_at"]:
        due.append(time(call["asked_at"]) + timedelta(seconds=timers.ask_again_seconds))
    return f"Without news from the provider, it is asked {_next(trail, max(due))}."


def time(text: str) -> datetime:
    """A time as the database answers it."""
    return datetime.fromisoformat(text)


def _age(trail: Json, at: str) -> float:
    """Seconds since, by the database's clock."""
    return (time(trail["now"]) - time(at)).total_seconds()


def _is_ahead(trail: Json, at: str | None) -> bool:
    return at is not None and _age(trail, at) < 0


def _ago(trail: Json, at: str) -> str:
    return f"{span(_age(trail, at))} ago"


def _in(trail: Json, at: str) -> str:
    return f"in {span(-_age(trail, at))}" if _is_ahead(trail, at) else "at the next run"


def _next(trail: Json, at: datetime) -> str:
    return _in(trail, at.isoformat())


def sentence(text: str) -> str:
    """The reason with its full stop."""
    return text if text.endswith((".", "!", "?", ")")) else f"{text}."


def span(seconds: float) -> str:
    """A length of time in the largest unit that says enough; what the provider's clock puts ahead of ours is none."""
    seconds = max(0.0, seconds)
    for unit, size, enough in (("ms", 0.001, 1), ("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < enough:
            return f"{seconds / size:.1f} {unit}" if unit == "s" and seconds < 10 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
