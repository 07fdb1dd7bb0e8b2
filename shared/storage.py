"""Object storage: one private S3 bucket, every object encrypted, read through links that end after an hour."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from shared.errors import AppError
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

LINK_SECONDS = 3600
PART_BYTES = 8 * 1024 * 1024  # S3 takes at most 10,000 parts, each but the last of at least 5 MiB
MOST_AT_ONCE = 1000  # that one request may delete
NOT_THERE = {"404", "NoSuchKey", "412", "PreconditionFailed"}
_one_at_a_time = Lock()  # boto3's default session cannot make clients in two threads at once


class StorageError(AppError):
    """The object storage did not do what it was asked."""


class MissingObjectError(StorageError):
    """There is no such object, or another one in its place."""


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


@dataclass(frozen=True)
class Stored:
    """An object as it is now; another one in its place has another etag."""

    size_bytes: int
    etag: str


def upload_link(name: str, content_type: str) -> str:
    """A URL to which anybody who has it may PUT the object, of that type, for the next hour."""
    with _failures(name):
        where = {"Bucket": settings().storage_bucket, "Key": name, "ContentType": content_type}
        return _client().generate_presigned_url("put_object", Params=where, ExpiresIn=LINK_SECONDS)


def look(name: str) -> Stored | None:
    """What is stored under a name; None: nothing. Raises StorageError."""
    try:
        with _failures(name):
            found = _client().head_object(Bucket=settings().storage_bucket, Key=name)
    except MissingObjectError:
        return None
    return Stored(found["ContentLength"], found["ETag"])


def read(name: str, etag: str, start: int, end: int) -> bytes:
    """The bytes from `start` up to but without `end`, or as many as there are.

    Raises MissingObjectError where the object is gone or another one has come in its place; StorageError.
    """
    with _failures(name):
        asked = {"Bucket": settings().storage_bucket, "Key": name, "IfMatch": etag, "Range": f"bytes={start}-{end - 1}"}
        return _client().get_object(**asked)["Body"].read()


class Upload:
    """An object that is written piece by piece; one part of it is in memory at most."""

    def __init__(self, name: str, content_type: str) -> None:
        self._object = {"Bucket": settings().storage_bucket, "Key": name}
        self._kind = {"ContentType": content_type, "ServerSideEncryption": "AES256"}
        self._waiting = bytearray()
        self._id: str | None = None
        self._parts: list[dict[str, object]] = []

    def write(self, content: bytes) -> None:
        """Add to the object's end."""
        self._waiting += content
        if len(self._waiting) >= PART_BYTES:
            self._send()

    def finish(self) -> None:
        """Make the object visible, whole."""
        if self._id is None:
            _client().put_object(**self._object, **self._kind, Body=bytes(self._waiting))
            return
        if self._waiting:
            self._send()
        parts = {"Parts": self._parts}
        _client().complete_multipart_upload(**self._object, UploadId=self._id, MultipartUpload=parts)

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._id is not None:
            _client().abort_multipart_upload(**self._object, UploadId=self._id)

    def _send(self) -> None:
        if self._id is None:
            self._id = _client().create_multipart_upload(**self._object, **self._kind)["UploadId"]
        number = len(self._parts) + 1
        body = bytes(self._waiting)
        sent = _client().upload_part(**self._object, UploadId=self._id, PartNumber=number, Body=body)
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})
        self._waiting.clear()


@contextmanager
def upload(name: str, content_type: str) -> Generator[Upload]:
    """An object to write; there is none unless the block ends well. Raises StorageError."""
    with _failures(name):
        file = Upload(name, content_type)
        try:
            yield file
            file.finish()
        except BaseException:
            file.abandon()
            raise


def fetch(name: str) -> bytes | None:
    """The content of an object, None where there is no such object. Raises StorageError."""
    try:
        with _failures(name):
            return _client().get_object(Bucket=settings().storage_bucket, Key=name)["Body"].read()
    except MissingObjectError:
        return None


def link(name: str, *, file_name: str | None = None) -> str:
    """A URL with which anybody who has it reads the object for the next hour, as a file where that has a name."""
    with _failures(name):
        where = {"Bucket": settings().storage_bucket, "Key": name}
        if file_name:
            where["ResponseContentDisposition"] = f'attachment; filename="{file_name}"'
        return _client().generate_presigned_url("get_object", Params=where, ExpiresIn=LINK_SECONDS)


def remove(name: str) -> None:
    """Throw an object away; one that is not there is no error. Raises StorageError."""
    with _failures(name):
        _client().delete_object(Bucket=settings().storage_bucket, Key=name)


def remove_all(prefix: str) -> int:
    """Throw away every object whose name begins so; how many. Raises StorageError."""
    removed = 0
    with _failures(prefix):
        bucket = settings().storage_bucket
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            names = [{"Key": found["Key"]} for found in page.get("Contents", ())]
            if names:
                _delete(names)
                removed += len(names)
    return removed


def remove_many(names: Sequence[str]) -> None:
    """Throw objects away; those that are not there are no error. Raises StorageError."""
    for start in range(0, len(names), MOST_AT_ONCE):
        objects = [{"Key": name} for name in names[start : start + MOST_AT_ONCE]]
        with _failures(names[start]):
            _delete(objects)


def _delete(objects: Sequence[Mapping[str, str]]) -> None:
    where = {"Bucket": settings().storage_bucket, "Delete": {"Objects": objects, "Quiet": True}}
    if errors := _client().delete_objects(**where).get("Errors"):
        raise StorageError(f"{errors[0]}")


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
    except ClientError as error:
        code = cast("str", error.response["Error"]["Code"])
        kind = MissingObjectError if code in NOT_THERE else StorageError
        raise kind(f"{name}: {error}") from error
    except BotoCoreError as error:
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
