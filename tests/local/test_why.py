"""`python -m local why …`: the words for every state, the timeline, and who is meant."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from local.__main__ import main
from local.why import lines
from shared.settings import settings
from shared.standing import span, standing
from tests.factories import fictional_numbers, forbid_number
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.stack import Stack
    from tests.factories import Connection
    from tests.sql.world import Json

    Type = Callable[..., tuple[int, str, str]]
    Prepare = Callable[[World], UUID | str]


TIMELINE = re.compile(r"  \d\d:\d\d:\d\d\.\d{3} +(?P<delta>\+[\d.]+ (ms|s))?  (?P<said>\S.*)")


@pytest.fixture
def world(db: Connection) -> Iterator[World]:
    """An agency in the stack's database. What this session's clock was moved by, nobody else sees."""
    settings.cache_clear()
    yield World(db)
    settings.cache_clear()


@pytest.fixture
def why(tmp_path: Path, capsys: pytest.CaptureFixture[str], stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Type:  # noqa: ARG001 - its settings are in the environment
    """Asks the stack that the environment names; answers exit status, what was printed, what was complained of."""
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def ask(*words: object) -> tuple[int, str, str]:
        status = main(["--folder", str(tmp_path), "why", *map(str, words)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return ask


def first(world: World, batch_id: UUID) -> str:
    return world.contacts(batch_id)[0]["id"]


def trail(world: World, contact_id: UUID | str) -> Json:
    return world.verb("contact_trail", p_contact_id=contact_id)


def called(world: World, status: str, later: float = 0) -> str:
    """The contact of a call in this state, some seconds later."""
    call_id = world.call_in(status)
    world.move_clock(later)
    return world.call(call_id)["contact_id"]


def asked(world: World, answer: str | None) -> str:
    """A contact whose call is unknown since 80 s; the provider was asked 20 s ago."""
    call_id = world.call_in("unknown")
    world.move_clock(60)
    [question] = world.questions()["calls"]
    if answer:
        stamp = question.get("asked_at", world.call(call_id)["asked_at"])
        answers = [{"call_id": call_id, "answer": answer, "asked_at": stamp}]
        world.verb("record_answers", p_answers=answers, p_ask_again_seconds=120)
    world.move_clock(20)
    return world.call(call_id)["contact_id"]


def paused(world: World, reason: str | None = None) -> str:
    batch_id = world.processing(1)
    world.pause(batch_id)
    if reason:
        world.set("call_batches", batch_id, error_message=reason)
    return first(world, batch_id)


def busy(world: World) -> str:
    return called(world, "ended")


def throttled(world: World) -> str:
    batch_id = world.processing(1)
    world.settle(world.dial()[0], "throttled", reason="The provider answered 429", retry_after_seconds=60)
    return first(world, batch_id)


STANDING: dict[str, tuple[Prepare, str]] = {
    "pending": (
        lambda world: first(world, world.create(1)),
        "Waits for its batch, which the next run of the processor starts.",
    ),
    "scheduled": (
        lambda world: first(world, world.create(1, scheduled_for=world.time(3600))),
        "Waits for its batch, which starts in 60 min.",
    ),
    "draft": (
        lambda world: first(world, world.batch_in("draft")),
        "Waits: its batch is a draft, and nobody has sent it off yet.",
    ),
    "queued": (
        lambda world: first(world, world.processing(1)),
        "Queued: attempt 1 of 3 comes as soon as pace, concurrency and the calls before it leave a place.",
    ),
    "queued after a call": (busy, "Queued: attempt 2 of 3 comes in 15 min at the earliest. The reason: No answer."),
    "queued and throttled": (
        throttled,
        "Queued: the provider asked the agency to wait; attempt 1 of 3 comes in 60 s at the earliest.",
    ),
    "paused by a person": (paused, "Waits: its batch is paused, until somebody resumes it."),
    "paused by the processor": (
        lambda world: paused(world, "The provider's account cannot place calls"),
        "Waits: its batch is paused, until somebody resumes it. The reason: The provider's account cannot place calls.",
    ),
    "claimed": (
        lambda world: called(world, "claimed"),
        "A worker (worker) has taken it and is about to dial; nobody has been asked yet.",
    ),
    "claimed, lease over": (
        lambda world: called(world, "claimed", 61),
        "Its worker stopped before it was begun: the next run puts it back, and the attempt does not count.",
    ),
    "dialing": (
        lambda world: called(world, "dialing", 3),
        "The provider is being asked to place the call, since 3.0 s.",
    ),
    "dialing, lease over": (
        lambda world: called(world, "dialing", 61),
        "Its worker stopped before it knew: the next run marks it unknown, and the provider is asked.",
    ),
    "unknown": (
        lambda world: called(world, "unknown", 20),
        "Unknown since 20 s: the provider has not been asked yet; it is asked in 40 s. "
        "The slot is held, and nobody calls this number meanwhile.",
    ),
    "unknown and due": (
        lambda world: called(world, "unknown", 90),
        "Unknown since 90 s: the provider has not been asked yet; it is asked at the next run. "
        "The slot is held, and nobody calls this number meanwhile.",
    ),
    "unknown, asked in vain": (
        lambda world: asked(world, None),
        "Unknown since 80 s: the provider was asked 20 s ago and nothing was learned; it is asked in 100 s. "
        "The slot is held, and nobody calls this number meanwhile.",
    ),
    "unknown, none once": (
        lambda world: asked(world, "none"),
        "Unknown since 80 s: the provider has said once that it knows of no such call; it is asked in 100 s. "
        "The slot is held, and nobody calls this number meanwhile.",
    ),
    "ringing": (
        lambda world: called(world, "ringing", 15),
        "Ringing since 15 s. Without news from the provider, it is asked in 10 min.",
    ),
    "answered": (
        lambda world: called(world, "answered", 65),
        "Talking since 60 s. Without news from the provider, it is asked in 9 min.",
    ),
    "cancelled": (
        lambda world: first(world, world.batch_in("cancelled")),
        "Skipped … ago: Batch cancelled.",
    ),
    "completed": (
        lambda world: first(world, world.batch_in("completed")),
        "Completed … ago: Answered.",
    ),
}


@pytest.mark.parametrize("name", STANDING)
def test_where_a_contact_stands_is_said_with_what_comes_next(world: World, name: str) -> None:
    prepare, expected = STANDING[name]
    found = standing(trail(world, prepare(world)), settings())

    assert re.fullmatch(re.escape(expected).replace("…", ".+"), found), found


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 ms"), (0, "0 ms"), (0.0042, "4 ms"), (1, "1.0 s"), (9.94, "9.9 s"), (10, "10 s"), (119.4, "119 s"),
     (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (172_800, "2 days")],
)  # fmt: skip
def test_a_length_of_time_is_said_in_a_fitting_unit(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_the_timeline_has_each_event_with_its_time_its_delta_and_its_reason(world: World, why: Type) -> None:
    batch_id = world.processing(1, name="Spring [red]")
    world.finish(world.ringing(), sip="BUSY")
    contact = world.contacts(batch_id)[0]

    status, printed, _ = why(contact["id"])

    assert status == 0
    assert printed.startswith(f"{contact['phone_number']}\n  contact {contact['id']}, 1 of 3 attempts used\n")
    assert f"  batch   {batch_id} Spring [red], processing\n" in printed
    timeline = [TIMELINE.fullmatch(line) for line in printed.splitlines() if re.match(r"  \d\d:\d\d:", line)]
    assert None not in timeline
    assert [bool(found and found["delta"]) for found in timeline] == [False] + 6 * [True]
    said = [" ".join(found["said"].split()) for found in timeline if found]
    assert said[0] == f"batch created by {world.agency.owner}@batchline.test."
    assert said[1:5] == ["batch started", "call 1 claimed", "call 1 begun", "call 1 accepted"]
    assert re.fullmatch(r"call 1 ended .*\(outcome busy\)", said[5])
    assert re.fullmatch(r"call 1 requeued Busy\. \(until .+Z\)", said[6])
    assert "The provider took 1 of these calls, and no other that we know of." in printed
    assert "Queued: attempt 2 of 3 comes in 15 min at the earliest." in printed


def test_a_late_acceptance_is_said_with_the_providers_id(world: World) -> None:
    other = uuid4()
    call_id = world.call_in("ringing")
    world.settle(call_id, "accepted", ultravox_call_id=other)
    printed = "\n".join(
        line.plain for line in lines(trail(world, world.call(call_id)["contact_id"]) | {"standing": ""})
    )

    assert f"The provider took 1 of these calls, and others late: {other}." in printed


def test_a_terminal_gets_colour_and_a_pipe_none(world: World, why: Type) -> None:
    contact_id = called(world, "unknown")
    terminal = Console(force_terminal=True, color_system="standard")
    with terminal.capture() as capture:
        terminal.print(*lines(trail(world, contact_id) | {"standing": ""}), sep="\n")

    assert "\x1b[" in capture.get()
    assert "\x1b[" not in why(contact_id)[1]


def test_a_call_means_its_contact(world: World, why: Type) -> None:
    call_id = world.call_in("dialing")

    status, printed, _ = why(call_id)

    assert status == 0
    assert f"  contact {world.call(call_id)['contact_id']}, " in printed
    assert f"  call 1  {call_id}: dialing, ultravox none\n" in printed


def test_a_number_means_its_contacts_in_all_batches_newest_first(world: World, why: Type) -> None:
    [number] = fictional_numbers(1, start=4321)
    batches = [world.create([number]) for _ in range(2)]
    spaced = f"{number[:2]} {number[2:5]}-{number[5:8]}-{number[8:]}"

    status, printed, _ = why(spaced, "--agency", world.agency.id, "--json")

    assert status == 0
    assert [found["batch"]["id"] for found in json.loads(printed)] == [str(batch_id) for batch_id in reversed(batches)]


def test_json_has_the_trail_and_the_words(world: World, why: Type) -> None:
    [number] = fictional_numbers(1, start=4322)
    forbid_number(world.connection, world.agency.id, number)
    contact_id = first(world, world.create([number]))

    [found] = json.loads(why(contact_id, "--json")[1])

    assert found["contact"]["id"] == contact_id
    assert [event["event"] for event in found["events"]] == ["created", "skipped"]
    assert re.fullmatch(r"Skipped .+ ago: On the do-not-call list\.", found["standing"])


def test_what_is_nowhere_is_said_in_a_sentence(world: World, why: Type) -> None:
    nobody, stranger = uuid4(), World(world.connection)
    contact_id = first(world, world.create(1))
    [number] = fictional_numbers(1, start=44_000)

    assert why(nobody) == (1, "", f"No contact has the id {nobody}, nor has a call to one.\n")
    assert why(number) == (1, "", f"No contact has the number {number}.\n")
    assert why(contact_id, "--agency", stranger.agency.id) == (
        1,
        "",
        f"No contact in agency {stranger.agency.id} has the id {contact_id}, nor has a call to one.\n",
    )
    assert why("12") == (
        1,
        "",
        "12 is neither an id nor a valid phone number with its country code, such as +12135550123.\n",
    )


def test_a_database_that_does_not_answer_is_said(why: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SUPABASE_REST_URL", "http://127.0.0.1:9")

    status, printed, complaint = why(uuid4())

    assert (status, printed) == (1, "")
    assert complaint.startswith("The trail could not be read: contacts_of: no answer")


def test_without_a_deployment_it_says_what_is_missing(why: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(os.environ, "SUPABASE_URL")

    assert why(uuid4()) == (
        1,
        "",
        "No stack runs, and SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY name no deployment; `make up` starts a stack.\n",
    )


def test_an_id_and_a_service_key_are_enough(world: World, why: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUPABASE_ANON_KEY", "FUNCTIONS_URL"):
        monkeypatch.delitem(os.environ, name)
    contact_id = first(world, world.create(1))

    assert why(contact_id)[0] == 0
