"""Rows that tests need before the product can do anything: each test makes its own agency.

Written as the database's owner, past row-level security: nothing here is reachable through the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import phonenumbers
from psycopg import sql

from shared import api_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString

    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

FROM_NUMBER = "+12125550199"


@dataclass(frozen=True)
class Agency:
    """An agency with one user of each role and all that a batch needs."""

    id: UUID
    owner: UUID
    admin: UUID
    member: UUID
    agent_mapping_id: UUID
    campaign_id: UUID
    from_number: str = FROM_NUMBER


def make_agency(connection: Connection, name: str = "Acme", **columns: object) -> Agency:
    """An agency of its own, which may call a number at any time, as often as it likes.

    `columns` are further columns of `agencies`, such as max_calls_per_minute.
    """
    columns = {"max_daily_calls_per_number": 1000, "minutes_between_batches": 0, **columns}
    agency_id = insert(connection, "agencies", name=name, **columns)
    insert(connection, "agency_phone_numbers", agency_id=agency_id, phone_number=FROM_NUMBER)
    return Agency(
        id=agency_id,
        owner=make_user(connection, agency_id, "agency_owner"),
        admin=make_user(connection, agency_id, "agency_admin"),
        member=make_user(connection, agency_id, "agency_member"),
        agent_mapping_id=make_agent_mapping(connection, agency_id),
        campaign_id=insert(connection, "campaigns", agency_id=agency_id, name="Q1 Outreach"),
    )


def make_user(connection: Connection, agency_id: UUID | None, role: str = "agency_owner") -> UUID:
    """A person the Auth server knows and, in our own table, of this agency (or of none)."""
    user_id = uuid4()
    email = f"{user_id}@batchline.test"
    connection.execute("insert into auth.users (id, email) values (%s, %s)", (user_id, email))
    return insert(connection, "users", id=user_id, agency_id=agency_id, role=role, email=email)


def make_agent_mapping(connection: Connection, agency_id: UUID, name: str = "Sales Agent", **columns: object) -> UUID:
    """A voice agent of the agency, whose provider id is its own until told otherwise."""
    columns = {"ultravox_agent_id": str(uuid4()), **columns}
    return insert(connection, "agent_mappings", agency_id=agency_id, name=name, **columns)


@dataclass(frozen=True)
class ApiKey:
    """An API key as its holder has it."""

    id: str
    api_key: str
    api_secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.api_key, "x-api-secret": self.api_secret}


def make_api_key(connection: Connection, agency: Agency, **columns: object) -> ApiKey:
    """A key of the agency, made by its owner."""
    secret = api_keys.secret_of(str(uuid4()), "a service key")
    columns = {"agency_id": agency.id, "name": "CRM", "created_by": agency.owner, **columns}
    columns = {"api_key": f"bl_key_{uuid4().hex}", "secret_hash": bytes.fromhex(api_keys.hashed(secret)), **columns}
    return ApiKey(str(insert(connection, "api_keys", **columns)), str(columns["api_key"]), secret)


def forbid_number(connection: Connection, agency_id: UUID, phone_number: str) -> None:
    """Put a number on the agency's do-not-call list."""
    statement = "insert into public.do_not_call (agency_id, phone_number) values (%s, %s)"
    connection.execute(statement, (agency_id, phone_number))


def insert(connection: Connection, table: LiteralString, **columns: object) -> UUID:
    """Insert one row into a table of schema public and return its id."""
    row: dict[str, object] = {"id": uuid4(), **columns}
    statement = sql.SQL("insert into public.{} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    connection.execute(statement, row)
    return cast("UUID", row["id"])


def batch_body(agency: Agency, contacts: int | Sequence[Mapping[str, object]] = 3, **changes: object) -> dict[str, Any]:
    """A body that calls-batch-create accepts: so many contacts, or these."""
    listed: Sequence[Mapping[str, object]] = (
        [{"phone_number": number} for number in fictional_numbers(contacts)] if isinstance(contacts, int) else contacts
    )
    return {
        "agent_mapping_id": str(agency.agent_mapping_id),
        "campaign_id": str(agency.campaign_id),
        "from_number": agency.from_number,
        "contacts": listed,
        **changes,
    }


def batch_call_body(
    agency: Agency, tasks: int | Sequence[Mapping[str, object]] = 3, **changes: object
) -> dict[str, Any]:
    """A body that batch-call-create accepts: so many tasks, or these."""
    listed: Sequence[Mapping[str, object]] = (
        [{"to_number": number} for number in fictional_numbers(tasks)] if isinstance(tasks, int) else tasks
    )
    return {
        "from_number": agency.from_number,
        "agent_id": f"agent_{agency.agent_mapping_id}",
        "tasks": listed,
        **changes,
    }


@cache
def fictional_area_codes() -> tuple[int, ...]:
    """The area codes in which <area code> 555-0100 is a valid number."""
    numbers = ((code, phonenumbers.parse(f"+1{code}5550100")) for code in range(201, 990))
    return tuple(code for code, number in numbers if phonenumbers.is_valid_number(number))


def fictional_numbers(count: int, start: int = 0) -> list[str]:
    """Distinct numbers reserved for fiction, in E.164; 44,000 exist. None is FROM_NUMBER."""
    codes = fictional_area_codes()
    return [f"+1{codes[n // 99]}55501{n % 99:02d}" for n in range(start, start + count)]
