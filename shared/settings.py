"""What the environment decides, read once and checked: each field is the variable of the same name in capitals.

The libraries read their own: LOG_LEVEL (Powertools), AWS_REGION, AWS_ENDPOINT_URL and the credentials (boto3).
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def _without_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


def _comma_separated(value: object) -> object:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


Url = Annotated[str, BeforeValidator(_without_slash), Field(pattern=r"^https?://[^/]+")]
Names = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


# What must be over before what: the sum of the first, in seconds, stays below the second.
MUST_BE_LESS = (
    (("connect_timeout_seconds",), "dial_timeout_seconds"),
    # Asked while the POST may still arrive, the provider's "no such call" would prove nothing.
    (("dial_by_seconds", "dial_timeout_seconds"), "ask_after_seconds"),
    # A lease that ends before its holder's last write would let the sweep judge a call that is being dialled.
    (("dial_by_seconds", "dial_timeout_seconds", "write_timeout_seconds", "write_timeout_seconds"), "lease_seconds"),
    (("join_timeout_seconds",), "silence_seconds"),
    (("silence_seconds",), "give_up_seconds"),
    # Patience that ends before the second answer would close calls that the provider can still tell of.
    (("ask_after_seconds", "ask_again_seconds"), "give_up_seconds"),
    (("sync_page_timeout_seconds",), "sync_fetch_seconds"),
    # A lease that ends while its holder waits for a page would have the page fetched twice.
    (("sync_fetch_seconds", "write_timeout_seconds", "write_timeout_seconds"), "sync_lease_seconds"),
    (("import_slice_seconds", "write_timeout_seconds", "write_timeout_seconds"), "import_lease_seconds"),
    # A lease that ends while its holder waits for a receiver would have a notice sent out of its order.
    (("notice_timeout_seconds", "write_timeout_seconds", "write_timeout_seconds"), "notice_lease_seconds"),
)


class SettingsError(RuntimeError):
    """The environment does not make a working configuration; the message says what to change."""


class Settings(BaseModel):
    """The one frozen object; `settings()` is how to get it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    supabase_url: Url
    supabase_rest_url: Url | None = None
    supabase_anon_key: SecretStr
    supabase_service_role_key: SecretStr
    jwt_verification: Literal["jwks", "auth-server"] = "jwks"
    ultravox_base_url: Url = "https://api.ultravox.ai"
    functions_url: Url
    stage: str = "local"
    storage_bucket: str = "batchline"  # the S3 bucket of what is too large for the database
    cors_allowed_origins: Names = ("*",)

    dial_by_seconds: Seconds = 10  # a POST leaves within this time of begin_dial, or never
    dial_timeout_seconds: Seconds = 20  # the whole POST, from connecting to the last byte of the answer
    connect_timeout_seconds: Seconds = 5
    lease_seconds: Seconds = 60
    ask_after_seconds: Seconds = 60  # the age at which the provider is first asked about an unknown call
    ask_again_seconds: Seconds = 120  # between the two times it must answer "none" before anybody is called again
    silence_seconds: Seconds = 600  # a live call without news for this long is looked up
    give_up_seconds: Seconds = 86_400
    join_timeout_seconds: Seconds = 90
    write_timeout_seconds: Seconds = 5  # one request to the database
    webhook_window_seconds: Seconds = 300
    sync_page_size: Annotated[int, Field(ge=1, le=1000)] = 500  # asked for; the provider gives as many as it will
    sync_page_timeout_seconds: Seconds = 30  # one request for a page
    sync_fetch_seconds: Seconds = 60  # a page with all repeats and the waits that the provider asks for
    sync_lease_seconds: Seconds = 120
    import_chunk_rows: Annotated[int, Field(ge=1, le=10_000)] = 2000  # of a list, in one transaction
    import_slice_seconds: Seconds = 30  # after which a list gives way to another that waits
    import_lease_seconds: Seconds = 90
    dispatch_queue_url: Url | None = None  # of the function's own queue; without it one run serves all agencies
    dispatch_concurrency: Annotated[int, Field(ge=2, le=1000)] = 100  # that of the queue's event source mapping
    dispatch_every_seconds: Seconds = 60  # the schedule's period
    notice_timeout_seconds: Seconds = 15  # one attempt, from looking up the host to the last byte of the answer
    notice_lease_seconds: Seconds = 120
    notices_allow_http: bool = False  # both for receivers on the machine or the network of whoever tries things out
    notices_allow_private: bool = False
    export_seconds: Seconds = (
        18  # a file ends then; the page under way, the upload and a link fit into API Gateway's 30
    )
    dial_connections: Annotated[int, Field(ge=2, le=1000)] = 200  # half of them make a turn: two overlap

    @property
    def rest_url(self) -> str:
        """Where PostgREST answers."""
        return self.supabase_rest_url or f"{self.supabase_url}/rest/v1"

    @property
    def auth_url(self) -> str:
        """Where the Auth server answers; also the `iss` of its tokens."""
        return f"{self.supabase_url}/auth/v1"

    @property
    def turn_seconds(self) -> float:
        """The longest that a turn can take once it has begun to dial: the last POST, and two writes."""
        return self.dial_by_seconds + self.dial_timeout_seconds + 2 * self.write_timeout_seconds

    @model_validator(mode="after")
    def _times_fit_together(self) -> Self:
        for parts, limit in MUST_BE_LESS:
            total = sum(getattr(self, part) for part in parts)
            if total >= getattr(self, limit):
                names = " + ".join(part.upper() for part in parts)
                raise ValueError(f"{names} ({total:g}) must be less than {limit.upper()} ({getattr(self, limit):g})")
        return self


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings, read from the environment at the first call; `settings.cache_clear()` forgets them.

    Raises SettingsError, whose message names each variable that is missing or wrong. An empty variable counts as unset.
    """
    given = {name: value for name in Settings.model_fields if (value := os.environ.get(name.upper()))}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(problem) for problem in error.errors())) from None


def _sentence(problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    name = str(problem["loc"][0]).upper()
    return f"{name} is missing" if problem["type"] == "missing" else f"{name}: {problem['msg']}"
