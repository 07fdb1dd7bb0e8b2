"""`python -m local why`: what became of a contact, decision by decision, where it stands now and what comes next."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Console
from rich.text import Text

from local import running
from local.processes import LocalError
from shared import database
from shared.errors import AppError
from shared.phone_numbers import e164
from shared.settings import SettingsError, settings
from shared.standing import sentence, span, standing, time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    Json = dict[str, Any]

SHOWN = 20  # contacts with one number, newest first
NEEDED = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")
STYLES = {
    "unknown": "bold yellow",
    "asked": "yellow",
    "throttled": "yellow",
    "paused": "yellow",
    "refused": "red",
    "failed": "red",
    "late_acceptance": "bold red",
    "accepted": "green",
    "adopted": "green",
    "answered": "green",
    "completed": "green",
    "skipped": "magenta",
    "cancelled": "magenta",
}


def main(folder: Path, of: str, agency_id: UUID | None, *, as_json: bool) -> int:
    """Prints the trails of the contact with this id, of the call with it, or of all contacts with this number.

    Reads the deployment that SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY name, else the stack that runs in `folder`.
    Raises LocalError when nobody is meant, and when the database does not answer.
    """
    _choose_deployment(folder)
    settings.cache_clear()
    database.close()
    try:
        timers = settings()
        trails = [trail | {"standing": standing(trail, timers)} for trail in _read(of, agency_id)]
    except (AppError, SettingsError) as error:
        raise LocalError(f"The trail could not be read: {error}") from error
    finally:
        database.close()
    if as_json:
        print(json.dumps(trails, indent=2, ensure_ascii=False))
        return 0
    console = Console(highlight=False, soft_wrap=True)
    for trail in trails:
        for line in lines(trail):
            console.print(line)
    if len(trails) == SHOWN:
        console.print(f"These are the newest {SHOWN}; an id names an older one.")
    return 0


def _choose_deployment(folder: Path) -> None:
    if not all(os.environ.get(name) for name in NEEDED):
        if running.find(folder) is None:
            raise LocalError(f"No stack runs, and {' and '.join(NEEDED)} name no deployment; `make up` starts a stack.")
        os.environ.update(running.read_env(folder))
    for name in ("SUPABASE_ANON_KEY", "FUNCTIONS_URL"):  # which every function needs, and this one reading does not
        os.environ.setdefault(name, os.environ["SUPABASE_URL"])


def _read(of: str, agency_id: UUID | None) -> list[Json]:
    where = f" in agency {agency_id}" if agency_id else ""
    meant: Json = {"p_agency_id": agency_id, "p_limit": SHOWN}
    try:
        nobody = f"No contact{where} has the id {UUID(of)}, nor has a call to one."
        meant["p_id"] = UUID(of)
    except ValueError:
        meant["p_phone_number"] = _number(of)
        nobody = f"No contact{where} has the number {meant['p_phone_number']}."
    trails = [
        database.rpc("contact_trail", {"p_contact_id": contact_id, "p_agency_id": agency_id})
        for contact_id in database.rpc("contacts_of", meant)
    ]
    if not trails:
        raise LocalError(nobody)
    return trails


def _number(text: str) -> str:
    try:
        return e164(text)
    except ValueError:
        raise LocalError(
            f"{text} is neither an id nor a valid phone number with its country code, such as +12135550123."
        ) from None


def lines(trail: Json) -> Iterator[Text]:
    """The trail as it is printed: who, when and why, its calls, where it stands. In the local time of this machine."""
    contact, batch = trail["contact"], trail["batch"]
    name = " ".join(part for part in (contact["first_name"], contact["last_name"]) if part)
    yield Text(f"{contact['phone_number']}  {name}".rstrip(), "bold")
    yield Text(f"  contact {contact['id']}, {contact['attempts']} of {contact['max_attempts']} attempts used")
    yield Text(f"  batch   {batch['id']} {batch['name'] or ''}".rstrip() + f", {batch['status']}")
    yield Text(f"  agency  {contact['agency_id']} {batch['agency_name']}")
    yield Text()
    yield from _timeline(trail)
    yield Text()
    for call in trail["calls"]:
        yield _call_line(call)
    yield _verdict(trail)
    yield Text(f"  {trail['standing']}", "bold")
    yield Text()


def _timeline(trail: Json) -> Iterator[Text]:
    attempts = {call["id"]: f"call {call['attempt']}" for call in trail["calls"]}
    before: datetime | None = None
    for event in trail["events"]:
        at = time(event["at"]).astimezone()
        if before is None or at.date() != before.date():
            yield Text(f"  {at:%A %Y-%m-%d, UTC%z}", "dim")
        delta = "" if before is None else f"+{span((at - before).total_seconds())}"
        whom = attempts.get(event["call_id"], "contact" if event["of_contact"] else "batch")
        line = Text(f"  {at:%H:%M:%S}.{at.microsecond // 1000:03} {delta:>9}  {whom:8} ")
        line.append(f"{event['event']:<16}", STYLES.get(event["event"], ""))
        yield line.append(" ".join(_remarks(event)))
        before = at


def _remarks(event: Json) -> Iterator[str]:
    detail: Json = dict(event["detail"])
    who: Json = detail.pop("who", None) or {}
    if named := event["actor"] or who.get("email") or who.get("name"):
        yield f"by {named}."
    if event["reason"]:
        yield sentence(event["reason"])
    if detail:
        yield "(" + ", ".join(f"{name} {value}" for name, value in detail.items()) + ")"


def _call_line(call: Json) -> Text:
    parts = [call["status"], call["outcome"], call["reason"], f"ultravox {call['ultravox_call_id'] or 'none'}"]
    text = f"  call {call['attempt']}  {call['id']}: " + ", ".join(part for part in parts if part)
    return Text(text, STYLES.get(call["status"], ""))


def _verdict(trail: Json) -> Text:
    """What answers "was this person called twice?"."""
    taken = sum(1 for call in trail["calls"] if call["accepted_at"])
    late = [event["detail"]["ultravox_call_id"] for event in trail["events"] if event["event"] == "late_acceptance"]
    if late:
        return Text(f"  The provider took {taken} of these calls, and others late: {', '.join(late)}.", "bold red")
    return Text(f"  The provider took {taken} of these calls, and no other that we know of.")
