"""Whatever happens in whatever order, and whoever dies or freezes meanwhile: nobody is called twice, nobody is lost.

A short run that is always the same; CHAOS_EXAMPLES and CHAOS_SEED in the environment make it longer, and another.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.sql.machine import Campaigns, RedialOnTimeOut
from tests.chaos.sql.provider import DoubleDialError
from tests.conftest import database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Server
    from tests.factories import Connection

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "25"))
SEED = os.environ.get("CHAOS_SEED")
STEPS = 80

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


def _settings(examples: int, **more: object) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=SEED is None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        **more,  # pyright: ignore[reportArgumentType]
    )


def _explore(machine: type[Campaigns], connection: Connection, chosen: settings) -> None:
    factory = partial(machine, connection)
    try:
        run_state_machine_as_test(seed(int(SEED))(factory) if SEED else factory, settings=chosen)  # pyright: ignore
    except BaseException as error:
        seeded = f"CHAOS_SEED={SEED} " if SEED else ""
        error.add_note(f"Again: {seeded}CHAOS_EXAMPLES={EXAMPLES} .venv/bin/python -m pytest {__file__}")
        raise


@pytest.mark.timeout(120 + 6 * EXAMPLES)
def test_nobody_is_called_twice_and_nobody_is_lost(connection: Connection) -> None:
    _explore(Campaigns, connection, _settings(EXAMPLES))


@pytest.mark.timeout(300)
def test_a_dialler_that_redials_on_a_time_out_is_found_out(connection: Connection) -> None:
    with pytest.raises(DoubleDialError):
        _explore(RedialOnTimeOut, connection, _settings(200, phases=[Phase.generate]))
