"""Secrets of agencies in the parameter store, as an operator writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]

from shared.secrets import path_of

if TYPE_CHECKING:
    from uuid import UUID


def store(agency_id: UUID, name: str, value: str) -> None:
    """Put a SecureString in the place of whatever was there."""
    _ssm().put_parameter(Name=path_of(agency_id, name), Value=value, Type="SecureString", Overwrite=True)


def read(agency_id: UUID, name: str) -> str | None:
    """The value as it is now, None where there is none."""
    ssm = _ssm()
    try:
        return ssm.get_parameter(Name=path_of(agency_id, name), WithDecryption=True)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None


def _ssm() -> Any:
    return cast("Any", boto3).client("ssm")
