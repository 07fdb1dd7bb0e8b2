"""What the demo of calling hours promised and what was seen of it, held against the clocks on the walls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.demo.hours import CLOSES, KINDS, OPENS, STAYS, Hours
from local.demo.report import Evidence, Promise, at_most, dialled_well

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from local.demo.witness import Zone


@dataclass(frozen=True)
class Asleep:
    """A zone with people who are queued, and why the first of them is not called, as the API says."""

    zone: Zone
    why: str


@dataclass(frozen=True)
class HoursEvidence:
    """All that was seen: `dialled` is of the batch as it waits, `at` when it was about to be cancelled."""

    dialled: Evidence
    hours: Hours
    at: datetime
    zones: Sequence[Zone]
    whereabouts: dict[str, str]
    asleep: Sequence[Asleep]
    forecast: dict[str, Any] | None
    skipped: int


def hours_promises(evidence: HoursEvidence) -> list[Promise]:
    """Everything the demo of calling hours stands for, each held or not."""
    outside = f"{len(accepted_outside(evidence))} and {len(begun_outside(evidence))}"
    return [
        Promise("Calls outside hours: accepted, begun", "0 and 0", outside, "both", outside == "0 and 0"),
        _everybody_awake(evidence),
        _both_sides(evidence),
        _queued(evidence),
        _reasons(evidence),
        _openings(evidence),
        _waiting(evidence),
        *dialled_well(evidence.dialled),
        _cancelled(evidence),
    ]


def accepted_outside(evidence: HoursEvidence) -> list[dict[str, Any]]:
    """Calls that the provider accepted while the window was closed where the person is."""
    return [
        call
        for call in evidence.dialled.accepted
        if not evidence.hours.allows(_zone(evidence, call), datetime.fromtimestamp(call["accepted_at"], UTC))
    ]


def begun_outside(evidence: HoursEvidence) -> list[str]:
    """Ids of calls that began where the window was closed, or in its last minute."""
    begun = {f"{call.call_id}": call.began_at for call in evidence.dialled.calls}
    return [
        call["call_id"]
        for call in evidence.dialled.accepted
        if (at := begun.get(call["call_id"])) and not evidence.hours.may_begin(_zone(evidence, call), at)
    ]


def figures(evidence: HoursEvidence) -> list[tuple[str, str]]:
    """What the report adds to the figures of a batch."""
    hours = evidence.hours.json()
    waits = evidence.dialled.batch["waiting_until"]
    through = evidence.forecast["earliest_completion"] if evidence.forecast else None
    return [
        (
            "hours",
            f"{hours['start']} to {hours['end']} by everybody's own clock, turn at {evidence.hours.turn:%H:%M} UTC",
        ),
        *((kind, _people(evidence, kind)) for kind in KINDS),
        (
            "next",
            f"call at {_utc(waits)}; all called at {_utc(through)} at the earliest",
        ),
    ]


def _people(evidence: HoursEvidence, kind: str) -> str:
    zones = [zone for zone in evidence.zones if evidence.hours.kind(zone.name) == kind]
    people, called = sum(zone.people for zone in zones), sum(zone.called for zone in zones)
    waiting = sum(zone.waiting for zone in zones)
    return f"{len(zones)} zones: {called} of {people} people called, {waiting} left in the queue"


def _zone(evidence: HoursEvidence, call: dict[str, Any]) -> str:
    return evidence.whereabouts[call["contact_id"]]


def _everybody_awake(evidence: HoursEvidence) -> Promise:
    zones = [zone for zone in evidence.zones if evidence.hours.kind(zone.name) in (STAYS, OPENS)]
    people, called = sum(zone.people for zone in zones), sum(zone.called for zone in zones if not zone.waiting)
    return Promise("People whose hours are open, called", f"{people}", f"{called}", "database", 0 < people == called)


def _both_sides(evidence: HoursEvidence) -> Promise:
    """Calls began after the turn where zones opened and before it where they closed: the turn passed meanwhile."""
    kinds = {evidence.hours.kind(_zone(evidence, call)) for call in evidence.dialled.accepted}
    held = {STAYS, OPENS, CLOSES} == kinds
    return Promise("Calls where it was open, opened and closed", "all 3", f"{len(kinds)}", "provider", held)


def _queued(evidence: HoursEvidence) -> Promise:
    batch, sleeping = evidence.dialled.batch, sum(zone.waiting for zone in _closed(evidence))
    return Promise(
        "People who sleep, still queued", f"{batch['remaining_count']}", f"{sleeping}", "both",
        0 < sleeping == batch["remaining_count"] == batch["queued"],
    )  # fmt: skip


def _reasons(evidence: HoursEvidence) -> Promise:
    """Each zone's first sleeper waits for the calling hours there, in so many words."""
    closed = {zone.name for zone in _closed(evidence) if zone.waiting}
    said = {
        asleep.zone.name
        for asleep in evidence.asleep
        if "calling hours begin" in asleep.why and asleep.zone.name in asleep.why
    }
    return Promise(
        "Zones asleep whose people are told so", f"{len(closed)}", f"{len(closed & said)}", "API", closed == said
    )


def _openings(evidence: HoursEvidence) -> Promise:
    wrong = [zone for zone in _closed(evidence) if zone.opens_at != evidence.hours.next_opening(zone.name, evidence.at)]
    return at_most("Next openings unlike the clock on the wall", 0, len(wrong), "database")


def _waiting(evidence: HoursEvidence) -> Promise:
    """The batch waits until the first zone with sleepers opens."""
    openings = [evidence.hours.next_opening(zone.name, evidence.at) for zone in _closed(evidence) if zone.waiting]
    expected = _utc(min(openings).isoformat()) if openings else "-"
    seen = _utc(evidence.dialled.batch["waiting_until"])
    return Promise("The batch waits until the next opening", expected, seen, "API", expected == seen != "-")


def _cancelled(evidence: HoursEvidence) -> Promise:
    remaining = evidence.dialled.batch["remaining_count"]
    text = "People skipped when the batch was cancelled"
    return Promise(text, f"{remaining}", f"{evidence.skipped}", "API", evidence.skipped == remaining)


def _closed(evidence: HoursEvidence) -> Iterable[Zone]:
    return (zone for zone in evidence.zones if not evidence.hours.may_begin(zone.name, evidence.at))


def _utc(time: str | None) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%a %H:%M} UTC" if time else "-"
