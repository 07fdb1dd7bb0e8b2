"""Object storage: one private S3 bucket, every object encrypted, read through links that end after an hour."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from shared.errors import AppError
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Generator

LINK_SECONDS = 3600
_one_at_a_time = Lock()  # boto3's default session cannot make clients in two threads at once


class StorageError(AppError):
    """The object storage did not do what it was asked."""


def put_json(name: str, content: bytes) -> None:
    """Store an object under its name. Raises StorageError."""
    with _failures(name):
        _client().put_object(
            Bucket=settings().storage_bucket,
            Key=name,
            Body=content,
            ContentType="application/json",
            ServerSideEncryption="AES256",
        )


def link(name: str) -> str:
    """A URL with which anybody who has it reads the object for the next hour."""
    with _failures(name):
        where = {"Bucket": settings().storage_bucket, "Key": name}
        return _client().generate_presigned_url("get_object", Params=where, ExpiresIn=LINK_SECONDS)


def remove(name: str) -> None:
    """Throw an object away; one that is not there is no error. Raises StorageError."""
    with _failures(name):
        _client().delete_object(Bucket=settings().storage_bucket, Key=name)


def close() -> None:
    """Close the client; the next call opens another with the settings of that time."""
    with _one_at_a_time:
        if _cached_client.cache_info().currsize:
            _cached_client().close()
            _cached_client.cache_clear()


@contextmanager
def _failures(name: str) -> Generator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageError(f"{name}: {error}") from error


def _client() -> Any:
    with _one_at_a_time:
        return _cached_client()


@lru_cache(maxsize=1)
def _cached_client() -> Any:
    import boto3  # pyright: ignore[reportMissingTypeStubs] - 150 ms that most functions need not spend
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    config = Config(
        signature_version="s3v4",
        connect_timeout=2,
        read_timeout=5,
        retries={"total_max_attempts": 3, "mode": "standard"},
    )
    return cast("Any", boto3).client("s3", config=config)
