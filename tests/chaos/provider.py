"""The provider misbehaves: it takes calls and does not say so, throttles, refuses, forgets, or cannot be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING

from tests.chaos import timers
from tests.chaos.run import Scenario
from tests.dialer.harness import NO_LIMITS

if TYPE_CHECKING:
    from tests.chaos.run import Run

LATE = timers.DIAL_TIMEOUT + 0.1
LAG = 1.5  # longer than the first question comes after the dial, shorter than the second
CONTACTS = 8
STRUCK = 4  # of any ten dials: the circuit breaker, which has a row of its own, stays closed

ASKED_IN_VAIN = """
select count(*) from public.call_events
where agency_id = %s and event = 'asked' and reason <> 'The provider knows of no such call'
"""
UNKNOWN = "select id::text as id from public.calls where agency_id = %s and status = 'unknown'"


def lose(run: Run, action: str, delay: float = 0, **answer: object) -> None:
    """Some dials get an answer from which nobody can tell, or none; the provider may have the call."""
    run.create(CONTACTS)
    run.strike(action, STRUCK, delay_seconds=delay, **answer)
    run.finish()


def throttle(run: Run, status: int, *, by_date: bool) -> None:
    run.create(CONTACTS)
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    headers = {"Retry-After": until if by_date else "1"}
    run.fault("refuse", {"times": 6}, status=status, headers=headers, body="" if status == 503 else None)
    run.finish()


def refuse_all(run: Run) -> None:
    """The batch pauses itself with a sentence that says what to do; mended and resumed, it goes on."""
    run.create(CONTACTS)
    refusal = run.fault("refuse", status=run.dice.choice([401, 402, 403]))
    with run.worker() as worker:
        worker.result()
    paused = run.batch.row()
    assert paused["status"] == "paused"
    assert "then resume the batch" in paused["error_message"]
    run.mend(refusal)
    run.resume()
    run.finish()


def break_circuit(run: Run) -> None:
    """Nothing works: the batch pauses itself before half of its list is spent."""
    run.create(20)
    fault = run.fault("drop_before_accept")
    with run.worker() as worker:
        worker.result()
    assert run.batch.row()["error_message"].startswith("Paused because ")
    run.mend(fault)
    run.resume()
    run.finish()


def cannot_ask(run: Run) -> None:
    """Calls are created, and nobody can be asked about them until somebody has asked in vain."""
    run.create(CONTACTS)
    run.strike("accept_then_drop", STRUCK)
    outages = [run.fault("lookup_outage"), run.fault("lookup_outage", {"path": "get"})]
    run.hear_nothing()
    with run.worker() as worker:
        run.wait(lambda: run.world.value(ASKED_IN_VAIN, run.world.agency.id))
        run.mend(*outages)
        run.is_well()
        worker.result()
    run.finish()


def never_answer(run: Run) -> None:
    """No look-up ever answers, and nothing is heard: calls are closed without a word, and nobody is called again."""
    query = "update public.agent_mappings set max_duration_seconds = %s where agency_id = %s returning 1"
    run.world.value(query, timers.MAX_DURATION, run.world.agency.id)
    run.create(CONTACTS)
    run.hear_nothing()
    run.strike("accept_then_drop", STRUCK)
    run.fault("lookup_outage")
    run.fault("lookup_outage", {"path": "get"})
    run.finish(environment={"GIVE_UP_SECONDS": str(timers.GIVE_UP)})


def mislead(run: Run, action: str, delay: float = 0) -> None:
    """The list of calls is not what was asked for, or not yet complete."""
    run.create(CONTACTS)
    run.hear_nothing()
    run.fault(action, delay_seconds=delay)
    run.strike("accept_then_drop", STRUCK)
    run.finish()


def delete(run: Run) -> None:
    """Calls whose answers were lost are deleted at the provider before anybody asks."""
    run.create(CONTACTS, max_concurrent=CONTACTS)
    run.hear_nothing()
    struck = run.strike("accept_then_drop", STRUCK)
    with run.worker() as worker:
        run.wait(lambda: len(_ended_unknown(run)) == len(struck))
        for ultravox_call_id in _ended_unknown(run):
            run.ground.simulator.delete_call(ultravox_call_id)
        worker.result()
    run.finish()


def _ended_unknown(run: Run) -> list[str]:
    unknown = {row["id"] for row in run.world.rows(UNKNOWN, run.world.agency.id)}
    return [call["ultravox_call_id"] for call in run.world.dialled() if call["call_id"] in unknown and call["ended_at"]]


def delete_by_itself(run: Run) -> None:
    """The agent's calls are deleted when they are over: "no such call" proves nothing."""
    template = {"retentionPolicy": "CALL_RETENTION_POLICY_AUTO_DELETE"}
    agent = {"agentId": run.world.agent_id, "callTemplate": template}
    run.ground.simulator.add_account(run.world.key, plan=NO_LIMITS, agents=[agent])
    run.create(CONTACTS)
    run.strike(run.dice.choice(["accept_then_drop", "drop_before_accept"]), STRUCK)
    run.finish()


SCENARIOS = [
    Scenario("accept_then_drop", "accepts, drops the answer", partial(lose, action="accept_then_drop")),
    Scenario("accept_then_500", "accepts, answers 500", partial(lose, action="accept_then_500")),
    Scenario("malformed_body", "accepts, answers half a body", partial(lose, action="malformed_body")),
    Scenario("slow_201", "201 after our time-out", partial(lose, action="slow_201", delay=LATE)),
    Scenario("late_accept", "accepts after our time-out", partial(lose, action="late_accept", delay=LATE)),
    Scenario("drop_before_accept", "drops the request", partial(lose, action="drop_before_accept")),
    Scenario("bare_503", "bare 503", partial(lose, action="refuse", status=503, body="upstream connect error")),
    Scenario("storm_429", "429 storm, `Retry-After` in seconds", partial(throttle, status=429, by_date=False)),
    Scenario("storm_429_date", "429 storm, `Retry-After` as a date", partial(throttle, status=429, by_date=True)),
    Scenario("storm_503", "503 storm, `Retry-After` in seconds", partial(throttle, status=503, by_date=False)),
    Scenario("storm_503_date", "503 storm, `Retry-After` as a date", partial(throttle, status=503, by_date=True)),
    Scenario("refuse_all", "refuses all: 401, 402, 403", refuse_all),
    Scenario("circuit", "every request is dropped: circuit breaker", break_circuit),
    Scenario("lookup_outage", "creates calls, look-ups fail for a while", cannot_ask),
    Scenario("never_answers", "look-ups fail for ever, no webhooks", never_answer, parks=True, bound=timers.TO_GIVE_UP),
    Scenario("ignored_filter", "look-up ignores its filter", partial(mislead, action="lookup_ignores_filter")),
    Scenario("lagging_lookup", "look-up lags", partial(mislead, action="lookup_lags", delay=LAG)),
    Scenario("deleted", "lost calls are deleted before we ask", delete, parks=True),
    Scenario("auto_delete", "an agent whose calls delete themselves", delete_by_itself, parks=True),
]
