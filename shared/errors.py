"""Everything that can go wrong, as one tree. A class's docstring is its default sentence.

AppError                  500  internal_error       never shown: the client reads a general sentence, the log the rest
  BadRequestError         400  bad_request
  UnauthorizedError       401  unauthorized
  ForbiddenError          403  forbidden
  NotFoundError           404  not_found
  MethodNotAllowedError   405  method_not_allowed
  ConflictError           409  conflict
  PayloadTooLargeError    413  payload_too_large
  UnprocessableError      422  unprocessable
  TooManyRequestsError    429  too_many_requests
  UnavailableError        503  unavailable
  DatabaseError           500  internal_error
  SecretsError            500  internal_error       (in secrets.py)
  StorageError            500  internal_error       (in storage.py)
  DispatchError           500  internal_error       (in dispatch.py)

The database refuses with SQLSTATE PTxyz, where xyz is the status of one of these; `refusal` finds the class.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping


class AppError(Exception):
    """Something went wrong on our side."""

    status: ClassVar[int] = 500
    code: str = "internal_error"
    rolled_back: bool = False  # the database said it, and undid all that the request had done there until then

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        """`members` are further members of the answer's body, beside error, code and request_id."""
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.code = code or self.code
        self.headers = dict(headers or {})
        self.members = dict(members or {})


class BadRequestError(AppError):
    """The request cannot be understood."""

    status, code = 400, "bad_request"


class UnauthorizedError(AppError):
    """Missing or invalid authorization header"""

    status, code = 401, "unauthorized"


class ForbiddenError(AppError):
    """User may not do this."""

    status, code = 403, "forbidden"


class NotFoundError(AppError):
    """There is no such thing."""

    status, code = 404, "not_found"


class MethodNotAllowedError(AppError):
    """HTTP method is not allowed here."""

    status, code = 405, "method_not_allowed"


class ConflictError(AppError):
    """The thing asked for is in another state."""

    status, code = 409, "conflict"


class PayloadTooLargeError(AppError):
    """The body is too large."""

    status, code = 413, "payload_too_large"


class UnprocessableError(AppError):
    """The request contradicts an earlier one."""

    status, code = 422, "unprocessable"


class TooManyRequestsError(AppError):
    """Too many requests. Please wait a little."""

    status, code = 429, "too_many_requests"


class UnavailableError(AppError):
    """A service this request needs cannot be reached. Please try again."""

    status, code = 503, "unavailable"


class DatabaseError(AppError):
    """The database did not do what it was asked.

    `sqlstate` is PostgreSQL's or PostgREST's code; None when no answer came.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


BY_STATUS: dict[int, type[AppError]] = {kind.status: kind for kind in AppError.__subclasses__() if kind.status != 500}


def refusal(sqlstate: str, message: str, details: str | None) -> AppError | None:
    """The error that a function of ours raised as SQLSTATE PTxyz, or None where it was no refusal of ours.

    `details` is a JSON object: its `code` is the error's code, its `retry_after` (seconds) a header, the rest are
    members of the answer.
    """
    if not (sqlstate.startswith("PT") and sqlstate[2:].isdecimal()):
        return None
    kind = BY_STATUS.get(int(sqlstate[2:]))
    if kind is None:
        return None
    members = _object(details)
    code, wait = members.pop("code", None), members.pop("retry_after", None)
    headers = {} if wait is None else {"Retry-After": str(wait)}
    error = kind(message, code=code, headers=headers, members=members)
    error.rolled_back = True
    return error


def _object(text: str | None) -> dict[str, Any]:
    try:
        value: object = json.loads(text or "{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
