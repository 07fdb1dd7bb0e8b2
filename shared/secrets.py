"""Secrets of agencies, from AWS SSM Parameter Store: SecureStrings, kept in memory for some minutes, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from shared.errors import AppError
from shared.settings import settings

if TYPE_CHECKING:
    from uuid import UUID

KEPT_SECONDS = 300
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
    return Account(provider_key(agency_id), webhook_secret(agency_id))


def provider_key(agency_id: UUID | str, *, fresh: bool = False) -> str | None:
    """The agency's key for the provider's API, or None where none has been stored; `fresh`: not the one kept here."""
    return _parameter(agency_id, "ultravox-api-key", fresh=fresh)


def webhook_secret(agency_id: UUID | str) -> str | None:
    """What the provider signs the agency's events with, or None where none has been stored."""
    return _parameter(agency_id, "ultravox-webhook-secret")


def _parameter(agency_id: UUID | str, name: str, *, fresh: bool = False) -> str | None:
    from aws_lambda_powertools.utilities import parameters  # boto3 costs 150 ms that most functions need not spend

    path = f"/batchline/{settings().stage}/agencies/{agency_id}/{name}"
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
