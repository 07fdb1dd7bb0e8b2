"""The users of the Auth issuer, their sessions and refresh tokens: rows of schema auth."""

from __future__ import annotations

import hashlib
import hmac
from secrets import token_bytes, token_urlsafe
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

EMAIL_PROVIDER = {"provider": "email", "providers": ["email"]}
INSERT = """
insert into auth.users (id, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data)
values (coalesce(%(id)s, gen_random_uuid()), lower(%(email)s), %(password)s, now(), %(app)s, %(user)s)
on conflict do nothing
returning *
"""


def hash_password(password: str) -> str:
    salt = token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def matches(password: str, hashed: str) -> bool:
    _, salt, digest = hashed.split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**13, r=8, p=1)


def insert(
    connection: psycopg.Connection[Any],
    email: str,
    hashed_password: str,
    user_id: str | None = None,
    app_metadata: Mapping[str, Any] | None = None,
    user_metadata: Mapping[str, Any] | None = None,
) -> Any:
    """The new row; None when the email or the id is taken."""
    values = {
        "id": user_id,
        "email": email,
        "password": hashed_password,
        "app": Jsonb({**EMAIL_PROVIDER, **(app_metadata or {})}),
        "user": Jsonb(dict(user_metadata or {})),
    }
    return connection.execute(INSERT, values).fetchone()


class Users:
    """The store. Each call is one short connection: signing in is rare, and a restarted database is no matter."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    def create(
        self,
        email: str,
        hashed_password: str,
        user_id: str | None = None,
        app_metadata: Mapping[str, Any] | None = None,
        user_metadata: Mapping[str, Any] | None = None,
    ) -> Row | None:
        """The new row; None when the email or the id is taken."""
        with self._connect() as connection:
            return insert(connection, email, hashed_password, user_id, app_metadata, user_metadata)

    def by_id(self, user_id: str) -> Row | None:
        return self._one("select * from auth.users where id = %s", [user_id])

    def by_email(self, email: str) -> Row | None:
        return self._one("select * from auth.users where email = lower(%s)", [email])

    def page(self, number: int, size: int) -> list[Row]:
        with self._connect() as connection:
            query = "select * from auth.users order by created_at desc, id limit %s offset %s"
            return connection.execute(query, [size, (number - 1) * size]).fetchall()

    def delete(self, user_id: str) -> Row | None:
        """The row that was; raises psycopg.errors.ForeignKeyViolation where other rows still need it."""
        return self._one("delete from auth.users where id = %s returning *", [user_id])

    def open_session(self, user_id: str) -> tuple[str, str]:
        """A new session's id and its refresh token."""
        with self._connect() as connection:
            query = """
            with signed_in as (update auth.users set last_sign_in_at = now() where id = %s returning id)
            insert into auth.sessions (user_id) select id from signed_in returning id
            """
            [session] = connection.execute(query, [user_id]).fetchall()
            return str(session["id"]), _add_refresh_token(connection, session["id"])

    def rotate(self, refresh_token: str) -> tuple[str, str, str] | None:
        """User, session and next token for a token not used before; None for any other."""
        with self._connect() as connection:
            query = """
            update auth.refresh_tokens set revoked = true
            from auth.sessions
            where token = %s and not revoked and sessions.id = refresh_tokens.session_id
            returning sessions.id, sessions.user_id
            """
            session = connection.execute(query, [refresh_token]).fetchone()
            if session is None:
                return None
            return str(session["user_id"]), str(session["id"]), _add_refresh_token(connection, session["id"])

    def has_session(self, session_id: str) -> bool:
        return self._one("select id from auth.sessions where id = %s", [session_id]) is not None

    def close_sessions(self, user_id: str, only: str | None = None, all_but: str | None = None) -> None:
        with self._connect() as connection:
            connection.execute(
                "delete from auth.sessions where user_id = %s and id = coalesce(%s, id) and id is distinct from %s",
                [user_id, only, all_but],
            )

    def _connect(self) -> Connection:
        return Connection.connect(self._url, row_factory=dict_row)

    def _one(self, query: LiteralString, values: Sequence[object]) -> Row | None:
        with self._connect() as connection:
            return connection.execute(query, values).fetchone()


def _add_refresh_token(connection: Connection, session_id: Any) -> str:
    token = token_urlsafe(24)
    connection.execute("insert into auth.refresh_tokens (token, session_id) values (%s, %s)", [token, session_id])
    return token
