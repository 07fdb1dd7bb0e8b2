"""Where a block of cases happens: a stack, an agency that attacks, one that is attacked, everybody's credentials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from aws_lambda_powertools.utilities import parameters
from psycopg import sql

from local import keys
from tests.accounts import with_agents
from tests.calling import claims
from tests.factories import make_api_key, make_user
from tests.openapi.contract import SECRET, existing
from tests.openapi.tenants import Tenant
from tests.sql.importing import Import
from tests.sql.listing import Listed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local.openapi.document import Json
    from tests.factories import Connection

# A batch is brought to its state by verbs that reach the agency's other batches too: the last ones wait for them.
STATES = ("completed", "cancelled", "paused", "processing", "scheduled", "draft")
# Those who are let in come more often: behind the door there is more to break.
OF_USERS = ("owner", "owner", "owner", "owner", "admin", "member", "stranger", "no agency", "nobody", "expired", "key")
OF_PROGRAMS = ("key", "key", "key", "key", "key", "stranger's key", "nobody", "owner", "wrong secret")


@dataclass(frozen=True)
class Ground:
    """One stack's address, keys and database."""

    url: str
    issuer: str
    stage: str
    keys_file: Path
    connection: Connection

    def headers_of(self, user_id: UUID, **changes: object) -> Mapping[str, str]:
        """A token's."""
        known = keys.load_or_make(self.keys_file)
        return {"Authorization": f"Bearer {known.sign(claims(str(user_id), self.issuer, **changes))}"}

    def store(self, agency_id: UUID, name: str, secret: str) -> None:
        """Puts a secret of an agency where an operator would."""
        path = f"/batchline/{self.stage}/agencies/{agency_id}/{name}"
        parameters.set_parameter(path, secret, parameter_type="SecureString")  # pyright: ignore[reportUnknownMemberType]


class Scene:
    """Two agencies of a block's own, and a third one's people. `mark` is in whatever the second can be known by."""

    def __init__(self, ground: Ground, operation: str) -> None:
        self.ground = ground
        self.ours, self.theirs, self.third = (Tenant(ground.connection, name) for name in ("Acme", "Globex", "Initech"))
        ground.store(self.ours.world.agency.id, "ultravox-webhook-secret", SECRET)
        if operation == "agents-sync":
            with_agents(self.ours.world)
        self.mark = f"mark{uuid4().hex}"
        self.things = [*self._things(self.ours, operation), *self._things(self.theirs, operation)]
        self.things += [existing(self.ours.world.agency, str(uuid4())), {}]
        self._brand()
        self._before = everything_of(ground.connection, self.theirs.world.agency.id)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return (self.mark.encode(), str(self.theirs.world.agency.id).encode())

    def what_changed(self) -> list[str]:
        """The tables in which something of the attacked agency is not as it was."""
        now = everything_of(self.ground.connection, self.theirs.world.agency.id)
        return [table for table, rows in now.items() if rows != self._before[table]]

    @cached_property
    def credentials(self) -> dict[str, Mapping[str, str]]:
        """The headers of each kind of caller."""
        agency, ground = self.ours.world.agency, self.ground
        return {
            "owner": ground.headers_of(agency.owner),
            "admin": ground.headers_of(agency.admin),
            "member": ground.headers_of(agency.member),
            "stranger": ground.headers_of(self.third.world.agency.owner),
            "no agency": ground.headers_of(make_user(ground.connection, None)),
            "expired": ground.headers_of(agency.owner, exp=1),
            "nobody": {},
            # A key of its own: the one that `things` names may be revoked.
            "key": make_api_key(ground.connection, agency).headers,
            "stranger's key": self.third.key.headers,
            "wrong secret": {**self.ours.key.headers, "x-api-secret": self.third.key.api_secret},
        }

    def _things(self, tenant: Tenant, operation: str) -> list[Json]:
        """What a request may name, by field, of one agency: in each state of a batch."""
        world = tenant.world
        found: list[Json] = []
        for state in STATES:
            batch_id = str(world.batch_in(state))
            contact_id = world.contacts(batch_id)[0]["id"]
            found.append(existing(world.agency, batch_id, id=tenant.key.id, contact_id=contact_id))
        if operation == "cancel-historical-sync":
            found[0]["job_id"] = str(Import(world).id)
        if operation == "calls-batch-import-get":
            found[0]["import_id"] = str(Listed(world, UUID(found[-1]["batch_id"])).id)
        if operation == "call-opt-out":
            found[0]["call_id"] = str(world.call_in("answered"))
        if operation == "notices-replay":
            found[0]["notice_id"] = tenant.notice()
        return found

    def _brand(self) -> None:
        db, agency_id = self.ground.connection, self.theirs.world.agency.id
        db.execute("update public.agencies set name = %s where id = %s", [self.mark, agency_id])
        for table, column in BRANDED:
            statement = sql.SQL("update public.{} set {} = %s where agency_id = %s")
            db.execute(statement.format(sql.Identifier(table), sql.Identifier(column)), [self.mark, agency_id])


BRANDED = (
    ("campaigns", "name"),
    ("agent_mappings", "name"),
    ("call_batches", "name"),
    ("campaign_contacts", "first_name"),
    ("api_keys", "name"),
)


def everything_of(connection: Connection, agency_id: UUID) -> dict[str, list[Any]]:
    """Every row of an agency, by table, of all tables that there are."""
    tables = connection.execute("""
        select table_name, column_name from information_schema.columns join information_schema.tables
            using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE'
          and (column_name = 'agency_id' or (table_name = 'agencies' and column_name = 'id'))
    """).fetchall()
    assert len(tables) > 15
    return {str(table): _rows(connection, str(table), str(column), agency_id) for table, column in tables}


def _rows(connection: Connection, table: str, column: str, agency_id: UUID) -> list[Any]:
    statement = sql.SQL("select to_jsonb(found) from public.{} as found where {} = %s order by to_jsonb(found)::text")
    return [
        row[0]
        for row in connection.execute(statement.format(sql.Identifier(table), sql.Identifier(column)), [agency_id])
    ]
