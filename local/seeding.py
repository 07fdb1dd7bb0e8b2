"""Puts the demo agencies where they belong: users and rows in the database, accounts in the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from local.demo_data import AGENCIES, PASSWORD, USERS
from local.migrate import execute_file
from local.processes import ROOT
from local.users import hash_password, insert
from shared import api_keys

if TYPE_CHECKING:
    from local.demo_data import DemoAgency
    from local.keys import Keys

SEED = ROOT / "sql" / "seed.sql"

# Well above the agencies' own limits: it is ours that must hold, and the simulator counts whether they do.
PAST_CALLS = 5_000

PLAN = {"name": "demo", "calls_per_second": 30, "calls_per_minute": 900, "max_concurrent": 100}


# The keys file may be a newer one than the database: what it says is what .local/env shows.
API_KEY = """
insert into public.api_keys (agency_id, name, api_key, secret_hash, created_by)
values (%(agency_id)s, 'Demo', %(api_key)s, decode(%(secret_hash)s, 'hex'), %(created_by)s)
on conflict on constraint api_key_is_unique do update set secret_hash = excluded.secret_hash
"""


def seed(database_url: str, keys: Keys) -> None:
    """Makes the demo users and agencies, once for each database, and sees to it that their API keys are these."""
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        if not _is_seeded(connection):
            hashed = hash_password(PASSWORD)
            for email, user_id in USERS.items():
                insert(connection, email, hashed, user_id)
            execute_file(connection, SEED)
        for agency in AGENCIES:
            connection.execute(API_KEY, _api_key(agency, keys))


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


def _api_key(agency: DemoAgency, keys: Keys) -> dict[str, str]:
    return {
        "agency_id": agency.id,
        "api_key": agency.api_key,
        "secret_hash": api_keys.hashed(keys.api_secret(agency.slug)),
        "created_by": agency.owner_id,
    }


def _is_seeded(connection: psycopg.Connection) -> bool:
    row = connection.execute("select from auth.users where id = %s", [next(iter(USERS.values()))]).fetchone()
    return row is not None
