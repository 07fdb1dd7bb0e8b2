"""Whatever happens in whatever order, and whoever dies or freezes meanwhile: nobody is called twice, nobody is lost.

A short run that is always the same; CHAOS_EXAMPLES and CHAOS_SEED in the environment make it longer, and another.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, cast

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.sql import process
from tests.chaos.sql.machine import Campaigns
from tests.chaos.sql.provider import DoubleDialError
from tests.chaos.sql.redial import OnlyDoubleDials, RedialOnTimeOut
from tests.conftest import database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.postgres import Server
    from tests.factories import Connection

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "40"))
SEED = os.environ.get("CHAOS_SEED")
STEPS = 80
TEST = "tests/chaos/test_state_machine.py"

# Ids in an order that is the same in every run, though as scattered as real ones.
STEADY_IDS = """
create sequence public.steady_ids;
grant usage on sequence public.steady_ids to service_role;
alter table public.call_batches alter column id set default md5('batch' || nextval('public.steady_ids'))::uuid;
alter table public.campaign_contacts alter column id set default md5('contact' || nextval('public.steady_ids'))::uuid;
alter table public.calls alter column id set default md5('call' || nextval('public.steady_ids'))::uuid;
"""


@pytest.fixture
def connection(server: Server, template: str) -> Iterator[Connection]:
    """A database of its own, in which nothing is ever committed after this."""
    with database(server, template) as name, psycopg.connect(server.database(name)) as connection:
        connection.execute(STEADY_IDS)
        connection.commit()
        yield connection
        connection.rollback()


def _explore(machine: type[Campaigns], connection: Connection, examples: int, phases: Sequence[Phase]) -> None:
    factory = cast("type[Campaigns]", partial(machine, connection))
    chosen = settings(
        max_examples=examples, stateful_step_count=STEPS, phases=phases, deadline=None, database=None,
        derandomize=SEED is None, print_blob=False, report_multiple_bugs=False,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(int(SEED))(factory) if SEED else factory, settings=chosen)
    except BaseException as error:
        chosen_seed = f"CHAOS_SEED={SEED} " if SEED else ""
        error.add_note(f"Again: {chosen_seed}CHAOS_EXAMPLES={examples} .venv/bin/python -m pytest {TEST}")
        raise


@pytest.mark.timeout(600 + 6 * EXAMPLES)
def test_nobody_is_called_twice_and_nobody_is_lost(connection: Connection) -> None:
    _explore(Campaigns, connection, EXAMPLES, (Phase.generate, Phase.shrink))


@pytest.mark.timeout(300)
def test_a_dialler_that_redials_on_a_time_out_is_found_out(connection: Connection) -> None:
    with pytest.raises(DoubleDialError):
        _explore(RedialOnTimeOut, connection, 500, (Phase.generate,))


def test_a_worker_that_wakes_late_and_dials_is_found_out(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "DIAL_BY", 86_400)
    with pytest.raises(DoubleDialError):
        _explore(OnlyDoubleDials, connection, 500, (Phase.generate,))
