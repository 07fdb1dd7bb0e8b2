"""Secrets of agencies, from AWS SSM Parameter Store: SecureStrings, kept in memory for some minutes, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from shared.errors import AppError
from shared.settings import settings

if TYPE_CHECKING:
    from uuid import UUID

KEPT_SECONDS = 300
PROVIDER_KEY, WEBHOOK_SECRET = "ultravox-api-key", "ultravox-webhook-secret"  # names, not secrets
_one_at_a_time = Lock()  # boto3's default session cannot make clients in two threads at once


class SecretsError(AppError):
    """The parameter store could not be read."""


@dataclass(frozen=True, slots=True)
class Account:
    """What dialling for an agency needs; None where nothing has been stored."""

    provider_key: str | None
    webhook_secret: str | None


def account(agency_id: UUID | str) -> Account:
    """Both secrets of an agency. Raises SecretsError."""
    secrets = webhook_secrets(agency_id)
    return Account(provider_key(agency_id), secrets[0] if secrets else None)


def provider_key(agency_id: UUID | str, *, fresh: bool = False) -> str | None:
    """The agency's key for the provider's API, or None where none has been stored; `fresh`: not the one kept here."""
    return _parameter(agency_id, PROVIDER_KEY, fresh=fresh)


def webhook_secrets(agency_id: UUID | str, *, fresh: bool = False) -> tuple[str, ...]:
    """What the provider may sign the agency's events with: the current secret, then the one before it while it counts.

    Empty where none has been stored. Raises SecretsError.
    """
    stored = _parameter(agency_id, WEBHOOK_SECRET, fresh=fresh)
    if stored is None:
        return ()
    secret = WebhookSecret.read(stored)
    previous = secret.previous if secret.previous_counts() else None
    return (secret.current, previous) if previous else (secret.current,)


class WebhookSecret(BaseModel):
    """What the parameter store has of it: as JSON once it was rotated; a text that is no such JSON is the secret."""

    current: str
    previous: str | None = None
    previous_until: datetime | None = None

    @classmethod
    def read(cls, stored: str) -> WebhookSecret:
        try:
            return cls.model_validate_json(stored)
        except ValidationError:
            return cls(current=stored)

    def previous_counts(self) -> bool:
        return self.previous_until is not None and datetime.now(UTC) < self.previous_until


def path_of(agency_id: UUID | str, name: str) -> str:
    """Where the parameter store has a secret of an agency."""
    return f"/batchline/{settings().stage}/agencies/{agency_id}/{name}"


def _parameter(agency_id: UUID | str, name: str, *, fresh: bool = False) -> str | None:
    from aws_lambda_powertools.utilities import parameters  # boto3 costs 150 ms that most functions need not spend

    path = path_of(agency_id, name)
    try:
        with _one_at_a_time:
            # Powertools leaves the type of its SDK options open.
            return parameters.get_parameter(  # pyright: ignore[reportUnknownMemberType]
                path, decrypt=True, force_fetch=fresh, max_age=KEPT_SECONDS
            )
    except parameters.GetParameterError as error:
        if "ParameterNotFound" in str(error):  # Powertools keeps nothing of the cause but its text
            return None
        raise SecretsError(f"{path} could not be read") from error
