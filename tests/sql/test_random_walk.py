"""Whatever happens in whatever order: the counters are right after each step, and everything comes to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid5

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sql import payloads
from tests.sql.checks import assert_sound
from tests.sql.test_settle_dials import RESULTS
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.factories import Connection

    Json = dict[str, Any]

FINAL = ("completed", "failed", "cancelled")
PASSING = (0.4, 2, 31, 61, 130, 1000)


class Walk:
    """Two agencies, few numbers. Each step takes one integer, from which it chooses its subject."""

    def __init__(self, connection: Connection) -> None:
        self.worlds = [
            World(connection, max_calls_per_minute=600, max_concurrent_calls=4),
            World(connection),
        ]
        self.numbers = self.worlds[0].numbers(6)

    def create(self, n: int) -> None:
        world = self._world(n)
        rule = {"max_attempts": 1 + n % 3, "delay_minutes": n % 2, "growth": 1}
        scheduled_for = world.time(n % 90) if n % 4 == 0 else None
        ends_at = world.time(90 + 5 * n) if n % 7 == 0 else None
        numbers = [self.numbers[(n + i) % 6] for i in range(n % 5)]
        world.create(numbers, max_concurrent=1 + n % 3, retry=rule, scheduled_for=scheduled_for, ends_at=ends_at)

    def claim(self, n: int) -> None:
        world = self._world(n)
        world.claim(1 + n % 7, f"worker {n % 2}")
        for batch_id in {row["batch_id"] for row in self.calls("claimed")}:
            live = sum(row["is_live"] for row in world.calls(batch_id))
            revived = sum(event["reason"] is not None for event in world.events(batch_id=batch_id, event="accepted"))
            assert live <= world.batch(batch_id)["max_concurrent"] or revived

    def begin(self, n: int) -> None:
        claimed = [UUID(row["id"]) for row in self.calls("claimed")]
        self._world(n).begin(claimed[: 1 + n % 5], f"worker {n // 5 % 2}")

    def settle(self, n: int) -> None:
        calls = self.calls()[n % 3 :: 3]
        self.worlds[0].settle_all([self._result(row, n + i) for i, row in enumerate(calls[:4])])

    def say(self, n: int) -> None:
        begun = [row for row in self.calls() if row["began_at"]]
        for row in begun[n % 5 :: 5]:
            told = payloads.answered(row, theirs(row)) if n % 2 else payloads.unanswered(row, theirs(row))
            words = list(told)
            event, payload = words[n % len(words)], told[words[n % len(words)]]
            self.worlds[0].verb("ingest_event", p_agency_id=row["agency_id"], p_event=f"call.{event}", p_call=payload)

    def pause(self, n: int) -> None:
        self._user("pause", n)

    def resume(self, n: int) -> None:
        self._user("resume", n)

    def cancel(self, n: int) -> None:
        if n % 4 == 0:
            self._user("cancel", n)

    def sweep(self, n: int) -> None:
        self.worlds[0].sweep(1 + n, give_up=600)

    def reconcile(self, n: int) -> None:
        for world in self.worlds:
            for question in world.questions(ask_after=1, ask_again=1)["calls"]:
                row = world.call(question["call_id"])
                told = payloads.answered(row, theirs(row))["started" if n % 2 else "ended"]
                world.answer(UUID(row["id"]), ("none", "found", "failed")[n % 3], told, ask_again=1)

    def forbid(self, n: int) -> None:
        world, number = self._world(n), self.numbers[n % 6]
        if n % 5 == 0 and not world.all_listed():
            world.forbid([number])
            open_to_it = {"pending", "queued"}
            assert not [
                row
                for row in world.all("campaign_contacts")
                if row["phone_number"] == number and row["status"] in open_to_it
            ]

    def opt_out(self, n: int) -> None:
        talking = self.calls("answered")
        if talking and n % 3 == 0:
            row = talking[n % len(talking)]
            world = next(world for world in self.worlds if str(world.agency.id) == row["agency_id"])
            world.opt_out(row["id"])

    def wait(self, n: int) -> None:
        self.worlds[0].move_clock(PASSING[n % len(PASSING)])

    def come_to_an_end(self) -> None:
        """A worker and a provider that behave, and a user who resumes what is paused."""
        for _ in range(60):
            if all(row["status"] in FINAL for row in self.batches()):
                return
            for row in self.batches():
                if row["status"] == "paused" and not (row["ends_at"] and row["ends_at"] <= self.worlds[0].time()):
                    self._resume(row)
            self._one_good_turn()
            self.worlds[0].move_clock(130)
        raise AssertionError([row for row in self.batches() if row["status"] not in FINAL])

    def calls(self, *states: str) -> list[Json]:
        rows = [row for world in self.worlds for row in world.all("calls")]
        rows = [row for row in rows if not states or row["status"] in states]
        return sorted(rows, key=lambda row: (row["created_at"], row["id"]))

    def batches(self) -> list[Json]:
        rows = [row for world in self.worlds for row in world.all("call_batches")]
        return sorted(rows, key=lambda row: row["created_at"])

    def _one_good_turn(self) -> None:
        self.worlds[0].sweep(give_up=600)
        for world in self.worlds:
            world.accept(world.dial())
        for row in self.calls("unknown", "ringing", "answered"):
            told = payloads.answered(row, UUID(row["ultravox_call_id"]) if row["ultravox_call_id"] else None)
            self.worlds[0].verb("apply_call", p_agency_id=row["agency_id"], p_call=told["ended"], p_source="get")

    def _resume(self, row: Json) -> None:
        world = next(world for world in self.worlds if str(world.agency.id) == row["agency_id"])
        world.resume(UUID(row["id"]))

    def _user(self, verb: str, n: int) -> None:
        rows = self.batches()
        if not rows:
            return
        row = rows[n % len(rows)]
        world = next(world for world in self.worlds if str(world.agency.id) == row["agency_id"])
        try:
            getattr(world, verb)(UUID(row["id"]))
        except psycopg.Error as error:
            if error.sqlstate != "PT400":
                raise

    def _result(self, row: Json, n: int) -> Json:
        return {
            "call_id": row["id"],
            "result": RESULTS[n % len(RESULTS)],
            "ultravox_call_id": str(theirs(row)),
            "reason": "why",
            "retry_after_seconds": n % 20,
        }

    def _world(self, n: int) -> World:
        return self.worlds[n % 2]


def theirs(row: Json) -> UUID:
    """The provider's id of a call of ours: always the same."""
    return uuid5(NAMESPACE_OID, row["id"])


STEPS = (
    "create", "claim", "claim", "begin", "begin", "settle", "settle", "say", "say", "pause", "resume", "cancel",
    "sweep", "reconcile", "forbid", "opt_out", "wait", "wait",
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 60)), min_size=5, max_size=45))
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_counters_agree_after_every_step_and_every_batch_comes_to_its_end(
    connection: Connection, steps: Sequence[tuple[str, int]]
) -> None:
    connection.rollback()
    walk = Walk(connection)
    walk.create(11)
    walk.create(14)
    for name, n in steps:
        getattr(walk, name)(n)
        assert_sound(connection)

    walk.come_to_an_end()
    assert_sound(connection)
