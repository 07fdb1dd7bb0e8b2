"""Puts the demo agencies where they belong: users and rows in the database, accounts in the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from local.demo_data import AGENCIES, PASSWORD, USERS
from local.migrate import execute_file
from local.processes import ROOT
from local.users import hash_password, insert

if TYPE_CHECKING:
    from local.demo_data import DemoAgency
    from local.keys import Keys

SEED = ROOT / "sql" / "seed.sql"

# Well above the agencies' own limits: it is ours that must hold, and the simulator counts whether they do.
PAST_CALLS = 5_000

PLAN = {"name": "demo", "calls_per_second": 30, "calls_per_minute": 900, "max_concurrent": 100}


def seed(database_url: str) -> None:
    """Makes the demo users and agencies, once for each database."""
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        if _is_seeded(connection):
            return
        hashed = hash_password(PASSWORD)
        for email, user_id in USERS.items():
            insert(connection, email, hashed, user_id)
        if SEED.exists():
            execute_file(connection, SEED)


def simulator_config(keys: Keys) -> dict[str, Any]:
    """The accounts of the demo agencies, with the keys that their secrets hold."""
    return {"accounts": [_account(agency, keys) for agency in AGENCIES]}


def _account(agency: DemoAgency, keys: Keys) -> dict[str, Any]:
    return {
        "api_key": keys.agencies[agency.slug].ultravox_api_key,
        "name": agency.name,
        "plan": PLAN,
        "past": {"count": PAST_CALLS},
        "agents": [{"agentId": agency.ultravox_agent_id, "name": f"{agency.name} agent"}],
    }


def _is_seeded(connection: psycopg.Connection) -> bool:
    row = connection.execute("select from auth.users where id = %s", [next(iter(USERS.values()))]).fetchone()
    return row is not None
