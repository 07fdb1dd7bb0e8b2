"""Signs users in: checks passwords, opens sessions, makes and verifies tokens as Supabase Auth does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt

from local.users import matches

if TYPE_CHECKING:
    from local.keys import Keys
    from local.users import Row, Users

Claims = dict[str, Any]

TOKEN_SECONDS = 3600


class AuthError(Exception):
    """A refusal: HTTP status, the code that clients switch on, a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def timestamp(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, with T and Z."""
    return value and value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def describe(user: Row) -> dict[str, Any]:
    """A user as the interface shows one."""
    return {
        "id": str(user["id"]),
        "aud": "authenticated",
        "role": "authenticated",
        "email": user["email"],
        "phone": "",
        "email_confirmed_at": timestamp(user["email_confirmed_at"]),
        "confirmed_at": timestamp(user["email_confirmed_at"]),
        "last_sign_in_at": timestamp(user["last_sign_in_at"]),
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [],
        "created_at": timestamp(user["created_at"]),
        "updated_at": timestamp(user["updated_at"]),
        "is_anonymous": False,
    }


@dataclass(frozen=True)
class Issuer:
    """Signs tokens for the users of one database. `url` is the issuer's own, …/auth/v1."""

    url: str
    keys: Keys
    users: Users

    def sign_in(self, user: Row) -> dict[str, Any]:
        """A new session, as the token endpoint answers it."""
        session_id, refresh_token = self.users.open_session(str(user["id"]))
        return self._session(user, session_id, refresh_token)

    def check_password(self, email: str, password: str) -> Row:
        user = self.users.by_email(email)
        if user is None or not matches(password, user["encrypted_password"]):
            raise AuthError(400, "invalid_credentials", "Invalid login credentials")
        return user

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        rotated = self.users.rotate(refresh_token)
        user = rotated and self.users.by_id(rotated[0])
        if rotated is None or user is None:
            raise AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        return self._session(user, rotated[1], rotated[2])

    def claims(self, authorization: str | None) -> Claims:
        """The verified claims of an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
        try:
            return self.keys.verify(token)
        except jwt.InvalidTokenError as error:
            raise AuthError(403, "bad_jwt", f"invalid JWT: unable to parse or verify signature, {error}") from error

    def caller(self, authorization: str | None) -> tuple[Row, str | None]:
        """The user who calls and the session, which signing out ends before the token expires."""
        claims = self.claims(authorization)
        if not is_uuid(claims.get("sub")):
            raise AuthError(403, "bad_jwt", "invalid claim: missing or malformed sub claim")
        user = self.users.by_id(claims["sub"])
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        session_id = claims.get("session_id")  # only tokens that somebody signed by hand lack it
        if session_id and not (is_uuid(session_id) and self.users.has_session(session_id)):
            raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user, session_id

    def require_service_role(self, authorization: str | None) -> None:
        if self.claims(authorization).get("role") != "service_role":
            raise AuthError(403, "not_admin", "User not allowed")

    def _session(self, user: Row, session_id: str, refresh_token: str) -> dict[str, Any]:
        now = int(time.time())
        claims: Claims = {
            "iss": self.url,
            "sub": str(user["id"]),
            "aud": "authenticated",
            "role": "authenticated",
            "email": user["email"],
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "session_id": session_id,
            "aal": "aal1",
            "is_anonymous": False,
            "app_metadata": user["raw_app_meta_data"] or {},
            "user_metadata": user["raw_user_meta_data"] or {},
        }
        return {
            "access_token": self.keys.sign(claims),
            "token_type": "bearer",
            "expires_in": TOKEN_SECONDS,
            "expires_at": now + TOKEN_SECONDS,
            "refresh_token": refresh_token,
            "user": describe(user),
        }
