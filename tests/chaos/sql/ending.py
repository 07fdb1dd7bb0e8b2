"""How every run ends: all processes dead, all webhooks lost; then a worker, a provider and a user who behave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sql.checks import query

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.sql.scene import Scene

LEASE, ASK_AFTER, ASK_AGAIN, SILENCE = 60, 60, 120, 600
ROUND = 15  # seconds between two rounds of the worker
BEGUN = ("claimed", "dialing", "unknown")
JOINABLE = ("ringing", "answered")


def come_to_an_end(scene: Scene) -> None:
    """What is live is known and over within its bound, everybody else is called, and the books are the provider's."""
    for process in list(scene.processes):
        scene.bury(process)
    slack = 3 * ROUND + scene.jumped_back  # for every clock that was set back, what waits for a time waits longer
    _reconcile_until_none_is(scene, BEGUN, within=LEASE + ASK_AFTER + ASK_AGAIN + slack)
    for call in scene.provider.calls:
        call.end()
    _reconcile_until_none_is(scene, JOINABLE, within=SILENCE + ASK_AGAIN + slack)
    _until(lambda: _all_is_closed(scene), lambda: _one_good_turn(scene), 80 + round(scene.jumped_back / 130))
    _check_the_books(scene)


def _reconcile_until_none_is(scene: Scene, statuses: tuple[str, ...], within: float) -> None:
    waiting = scene.calls_in(*statuses)

    def reconcile() -> None:
        _reconcile(scene)
        scene.wait(ROUND)

    _until(lambda: not waiting & scene.calls_in(*statuses), reconcile, int(within / ROUND))


def _until(done: Callable[[], bool], act: Callable[[], None], times: int) -> None:
    for _ in range(times):
        if done():
            return
        act()
    assert done(), "It does not come to an end"


def _all_is_closed(scene: Scene) -> bool:
    opened = "select from public.call_batches where status not in ('completed', 'failed', 'cancelled')"
    return not query(scene.connection, opened)


def _one_good_turn(scene: Scene) -> None:
    """Everything that can be dialled is, and everybody answers."""
    for n in range(len(scene.batches)):
        scene.use("resume", n)
    worker = scene.processes[0]
    for world in scene.worlds:
        scene.claim(worker, world, 100)
    scene.begin(worker)
    scene.send(worker, ["placed"] * len(worker.posts), "answered")
    scene.settle(worker)
    scene.go_on(calls=100, events=3, told=True)
    _reconcile(scene)
    scene.wait(130)
    scene.check()


def _reconcile(scene: Scene) -> None:
    worker = scene.processes[0]
    scene.worlds[0].sweep()
    for world in scene.worlds:
        worker.ask(world, scene.provider, "tells")
    worker.record()


def _check_the_books(scene: Scene) -> None:
    def found(statement: str) -> list[tuple[str, ...]]:
        return query(scene.connection, statement)

    scene.check()
    assert found("select id from public.campaign_contacts where completed_at is null or reason is null") == []
    assert found("select id, status from public.calls where is_live or outcome = 'unknown'") == []
    # That somebody may have been called twice is said where a worker wakes and does not know; that it was, never.
    alarms = found("select reason from public.call_events where event = 'late_acceptance'")
    assert [
        reason for (reason,) in alarms if not reason.startswith("It was dialled after the provider had denied it")
    ] == []
    # What the provider placed is exactly what we know of, with its ending.
    placed = scene.provider.calls
    assert sorted(
        found("select id::text, ultravox_call_id::text, outcome from public.calls where status = 'ended'")
    ) == (sorted((call.order["call_id"], str(call.id), call.ending) for call in placed))
    assert {row[0] for row in found("select id::text from public.campaign_contacts where status = 'completed'")} == {
        call.order["contact_id"] for call in placed if call.ending == "answered"
    }
