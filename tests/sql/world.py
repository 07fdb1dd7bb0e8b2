"""One agency in a database, and the verbs of the product, each called as the role that may call it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.factories import Agency, fictional_numbers, make_agency
from tests.sql import payloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import LiteralString

    from tests.factories import Connection

    Json = dict[str, Any]
    Contacts = int | Iterable[str | Json]  # so many, or these numbers

TABLES: tuple[LiteralString, ...] = (
    *("agencies", "call_batches", "campaign_contacts", "calls", "call_events"),
    *("historical_sync_jobs", "historical_sync_failures"),
)
BATCH_STATES = ("draft", "scheduled", "pending", "processing", "paused", "completed", "failed", "cancelled")
CALL_STATES = ("claimed", "dialing", "unknown", "ringing", "answered", "ended", "not_placed")


class World:
    """An agency, by default one whose plan limits nothing. Rows come as JSON: times and ids are strings."""

    def __init__(self, connection: Connection, agency: Agency | None = None, **columns: Any) -> None:
        self.connection = connection
        plan: Json = {
            "max_calls_per_minute": 60_000,
            "max_concurrent_calls": 10_000,
            "max_requests_per_minute": 60_000,
        } | columns
        self.agency = agency or make_agency(connection, **plan)
        self._most: Json = {
            "calls_per_minute": max(60, plan["max_calls_per_minute"]),
            "max_concurrent": max(100, plan["max_concurrent_calls"]),
        }
        self._numbers_given = 0

    # --- the verbs

    def verb(self, name: str, **arguments: object) -> Any:
        """Calls batchline.<name> as service_role in a (sub)transaction of its own; a refusal undoes only itself."""
        with self.connection.transaction():
            self.connection.execute("set local role service_role")
            answer = call(self.connection, "batchline", name, arguments)
            self.connection.execute("set local role none")
        return answer

    def ask(self, user_id: UUID | None, name: str, **arguments: object) -> Any:
        """Calls public.<name> as PostgREST does for this user."""
        with self.connection.transaction():
            become(self.connection, user_id)
            answer = call(self.connection, "public", name, arguments)
            self.connection.execute("set local role none")
        return answer

    def seen_by(self, user_id: UUID, query: LiteralString) -> tuple[Any, ...] | None:
        """The first row of a query of this user's, past the product."""
        with self.connection.transaction():
            become(self.connection, user_id)
            row = self.connection.execute(query).fetchone()
            self.connection.execute("set local role none")
        return row

    def create(self, contacts: Contacts = 1, user_id: UUID | None = None, **batch: Any) -> UUID:
        """The id of a new batch of so many contacts, or of these, with the widest limits that the plan allows."""
        return UUID(self.create_answer(contacts, user_id, **batch)["batch_id"])

    def create_answer(self, contacts: Contacts = 1, user_id: UUID | None = None, **batch: Any) -> Json:
        listed: Iterable[str | Json] = self.numbers(contacts) if isinstance(contacts, int) else contacts
        whole: Json = {
            "agent_mapping_id": self.agency.agent_mapping_id,
            "campaign_id": self.agency.campaign_id,
            "from_number": self.agency.from_number,
            **self._most,
            "calling_hours": None,
            "contacts": [{"phone_number": one} if isinstance(one, str) else one for one in listed],
        }
        return self.verb("create_call_batch", p_user_id=user_id or self.agency.owner, p_batch=whole | batch)

    def numbers(self, count: int) -> list[str]:
        """Numbers that no other contact of this world has."""
        self._numbers_given += count
        return fictional_numbers(count, start=self._numbers_given - count)

    def append(self, batch_id: UUID, contacts: Iterable[str | Json], **more: object) -> Json:
        listed = [{"phone_number": one} if isinstance(one, str) else one for one in contacts]
        given = {"contacts": listed, "duplicates_removed": 0}
        return self.verb("append_call_contacts", p_user_id=self.agency.owner, p_batch_id=batch_id, p_list=given, **more)

    def start(self) -> None:
        self.verb("start_call_batches", p_agency_id=self.agency.id)

    def processing(self, contacts: Contacts = 1, **batch: Any) -> UUID:
        """The id of a new batch that has started."""
        batch_id = self.create(contacts, **batch)
        self.start()
        return batch_id

    def pause(self, batch_id: UUID, user_id: UUID | None = None) -> Json:
        return self.verb("pause_call_batch", p_user_id=user_id or self.agency.owner, p_batch_id=batch_id)

    def resume(self, batch_id: UUID, user_id: UUID | None = None) -> Json:
        return self.verb("resume_call_batch", p_user_id=user_id or self.agency.owner, p_batch_id=batch_id)

    def execute(self, batch_id: UUID, user_id: UUID | None = None) -> Json:
        return self.verb("execute_call_batch", p_user_id=user_id or self.agency.owner, p_batch_id=batch_id)

    def cancel(self, batch_id: UUID, user_id: UUID | None = None) -> Json:
        return self.verb("cancel_call_batch", p_user_id=user_id or self.agency.owner, p_batch_id=batch_id)

    def forbid(self, numbers: Sequence[str], user_id: UUID | None = None, **more: object) -> Json:
        """Puts numbers on the agency's do-not-call list."""
        given = {"p_user_id": user_id or self.agency.owner, "p_phone_numbers": list(numbers), **more}
        return self.verb("add_to_do_not_call", **given)

    def opt_out(self, call_id: UUID | str, **more: object) -> Json:
        """The person in a call asks to be called no more."""
        return self.verb("opt_out", p_agency_id=self.agency.id, p_call_id=call_id, **more)

    def claim_answer(self, limit: int = 1000, worker: str = "worker", lease: float = 60) -> Json:
        return self.verb(
            "claim_calls", p_worker=worker, p_limit=limit, p_lease_seconds=lease, p_agency_id=self.agency.id
        )

    def claim(self, limit: int = 1000, worker: str = "worker", lease: float = 60) -> list[UUID]:
        return [UUID(order["call_id"]) for order in self.claim_answer(limit, worker, lease)["calls"]]

    def begin(self, call_ids: Sequence[UUID], worker: str = "worker", lease: float = 60) -> list[UUID]:
        answer = self.verb("begin_dial", p_worker=worker, p_call_ids=call_ids, p_lease_seconds=lease)
        return [UUID(call_id) for call_id in answer["begun"]]

    def dial(self, limit: int = 1000, worker: str = "worker") -> list[UUID]:
        return self.begin(self.claim(limit, worker), worker)

    def settle(self, call_id: UUID, result: str, **more: object) -> int:
        """How many results changed anything."""
        return self.settle_all([{"call_id": call_id, "result": result, **more}])

    def settle_all(self, results: Sequence[Mapping[str, object]]) -> int:
        return self.verb("settle_dials", p_results=Jsonb(results, dumps=_as_json))["settled"]

    def accept(self, call_ids: Iterable[UUID]) -> None:
        self.settle_all([{"call_id": one, "result": "accepted", "ultravox_call_id": uuid4()} for one in call_ids])

    def tell(self, payload: Json, source: str = "webhook") -> str:
        return self.verb("apply_call", p_agency_id=self.agency.id, p_call=payload, p_source=source)

    def finish(self, call_id: UUID, sip: str | None = None, talk_seconds: float | None = None) -> None:
        """The provider says that the call has ended: answered, if there was talk, otherwise not."""
        row = self.call(call_id)
        known = UUID(row["ultravox_call_id"]) if row["ultravox_call_id"] else None
        if talk_seconds is None:
            self.tell(payloads.unanswered(row, known, sip)["ended"])
        else:
            self.tell(payloads.answered(row, known, talk_seconds)["ended"])

    def sweep(self, limit: int = 1000, give_up: float = 86400) -> Json:
        return self.verb("sweep_calls", p_limit=limit, p_give_up_seconds=give_up)

    def questions(self, limit: int = 1000, **changes: float) -> Json:
        after = {"ask_after": 60.0, "ask_again": 120.0, "silence": 600.0, "join_timeout": 90.0} | changes
        timers = {f"p_{name}_seconds": seconds for name, seconds in after.items()}
        return self.verb("claim_questions", p_limit=limit, p_agency_id=self.agency.id, **timers)

    def answer(self, call_id: UUID, answer: str, call: Json | None = None, ask_again: float = 120, **more: Any) -> Json:
        """Brings an answer to the latest question, unless `asked_at` and `ultravox_call_id` say to which."""
        row = self.call(call_id)
        asked = {"asked_at": row["asked_at"], "ultravox_call_id": row["ultravox_call_id"], **more}
        answers = [{"call_id": call_id, "answer": answer, "call": call, **asked}]
        return self.verb("record_answers", p_answers=answers, p_ask_again_seconds=ask_again)

    def none(self, call_id: UUID, ask_again: float = 120, **more: Any) -> Json:
        """Asks about the call now, whatever the timers say; the provider knows of no such call."""
        self.set("calls", call_id, asked_at=self.time())
        return self.answer(call_id, "none", ask_again=ask_again, **more)

    # --- states to start from

    def batch_in(self, status: str) -> UUID:
        """A batch that came to this state as batches do."""
        if status == "scheduled":
            return self.create(3, scheduled_for=self.time(3600))
        if status == "draft":
            return self.create(3, status="draft")
        batch_id = self.create(1 if status in ("completed", "failed") else 3)
        if status == "pending":
            return batch_id
        self.start()
        if status == "paused":
            self.pause(batch_id)
        elif status == "cancelled":
            self.cancel(batch_id)
        elif status == "failed":
            self.settle(self.dial()[0], "agent_gone", reason="The agent is gone")
        elif status == "completed":
            self.finish(self.ringing(), talk_seconds=42)
        assert self.batch(batch_id)["status"] == status
        return batch_id

    def ringing(self) -> UUID:
        """The next call of the only processing batch, accepted by the provider."""
        call_id = self.dial(1)[0]
        self.accept([call_id])
        return call_id

    def call_in(self, status: str, contacts: Contacts = 1, **batch: Any) -> UUID:
        """A call that came to this state as calls do, of a new batch that is processing unless it has completed."""
        self.processing(contacts, **batch)
        call_id = self.claim(1)[0]
        if status != "claimed":
            self.begin([call_id])
        if status == "unknown":
            self.settle(call_id, "unknown", reason="timed out")
        elif status == "not_placed":
            self.settle(call_id, "unreachable", reason="could not connect")
        elif status in ("ringing", "answered", "ended"):
            self.accept([call_id])
        if status == "answered":
            row = self.call(call_id)
            self.tell(payloads.answered(row, UUID(row["ultravox_call_id"]))["joined"])
        elif status == "ended":
            self.finish(call_id)
        assert self.call(call_id)["status"] == status
        return call_id

    # --- time and rows

    def move_clock(self, seconds: float) -> None:
        """Moves this session's clock on, for good."""
        moved = "coalesce(nullif(current_setting(%(name)s, true), ''), '0')::interval + make_interval(secs => %(by)s)"
        statement = f"select set_config(%(name)s, ({moved})::text, false)"
        self.connection.execute(statement, {"name": "batchline.clock_offset", "by": seconds})

    def time(self, seconds: float = 0) -> str:
        """The database's own time, so many seconds from now."""
        found = self.connection.execute("select batchline.clock() + make_interval(secs => %s)", [seconds]).fetchone()
        return cast("Any", found)[0].isoformat()

    def set(self, table: LiteralString, row_id: UUID, **columns: object) -> None:
        """Writes a row past the product, as its owner."""
        changes = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in columns)
        statement = sql.SQL("update public.{} set {} where id = {}")
        self.connection.execute(
            statement.format(sql.Identifier(table), changes, sql.Placeholder("row_id")), {**columns, "row_id": row_id}
        )

    def batch(self, batch_id: UUID | str) -> Json:
        return self._rows("call_batches", "id", batch_id)[0]

    def contacts(self, batch_id: UUID | str) -> list[Json]:
        """In list order."""
        return sorted(self._rows("campaign_contacts", "batch_id", batch_id), key=lambda row: row["position"])

    def contact_of(self, call_id: UUID | str) -> Json:
        return self._rows("campaign_contacts", "id", self.call(call_id)["contact_id"])[0]

    def call(self, call_id: UUID | str) -> Json:
        return self._rows("calls", "id", call_id)[0]

    def calls(self, batch_id: UUID | str) -> list[Json]:
        return self._rows("calls", "batch_id", batch_id)

    def events(self, **columns: UUID | str) -> list[Json]:
        """In order of their ids, with all these values."""
        rows = self.all("call_events")
        wanted = {name: str(value) for name, value in columns.items()}
        return [row for row in sorted(rows, key=lambda row: row["id"]) if wanted.items() <= row.items()]

    def snapshot(self) -> dict[str, list[Json]]:
        """Every row of the agency that a verb could change."""
        return {table: self.all(table) for table in TABLES}

    def all(self, table: LiteralString) -> list[Json]:
        """The agency's rows of a table, by id."""
        rows = self._rows(table, "id" if table == "agencies" else "agency_id", self.agency.id)
        return sorted(rows, key=lambda row: str(row["id"]))

    def all_listed(self) -> list[Json]:
        """The agency's do-not-call list, oldest first."""
        return sorted(self._rows("do_not_call", "agency_id", self.agency.id), key=lambda row: row["id"])

    def all_kept(self) -> list[Json]:
        """The answers kept for the agency's repeated requests."""
        return self._rows("idempotent_answers", "agency_id", self.agency.id)

    def _rows(self, table: LiteralString, column: LiteralString, value: UUID | str) -> list[Json]:
        statement = sql.SQL("select to_jsonb(found) from public.{} as found where {} = %s").format(
            sql.Identifier(table), sql.Identifier(column)
        )
        return [cast("Json", row[0]) for row in self.connection.execute(statement, [value])]


def call(connection: Connection, schema: str, name: str, arguments: Mapping[str, object]) -> Any:
    """Calls a function with named arguments; mappings, and lists of them, go as jsonb."""
    named = sql.SQL(", ").join(sql.SQL("{} => {}").format(sql.Identifier(a), sql.Placeholder(a)) for a in arguments)
    statement = sql.SQL("select {}.{}({})").format(sql.Identifier(schema), sql.Identifier(name), named)
    row = connection.execute(statement, {name: _parameter(value) for name, value in arguments.items()}).fetchone()
    return cast("tuple[Any]", row)[0]


def become(connection: Connection, user_id: UUID | None) -> None:
    """From here to the end of the transaction this is a request of the user, or, without one, of anybody."""
    claims = {"sub": str(user_id), "role": "authenticated"} if user_id else {"role": "anon"}
    connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
    connection.execute("set local role authenticated" if user_id else "set local role anon")


def refusal(error: psycopg.Error) -> tuple[str, str]:
    """The HTTP status and the code of a refusal."""
    detail = json.loads(error.diag.message_detail or "{}")
    return (error.sqlstate or "").removeprefix("PT"), cast("str", detail.get("code", ""))


def _parameter(value: Any) -> Any:
    match value:
        case dict() | [dict(), *_]:
            return Jsonb(value, dumps=_as_json)
        case _:
            return value


def _as_json(value: Any) -> str:
    return json.dumps(value, default=str)
