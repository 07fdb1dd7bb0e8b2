from __future__ import annotations

import hmac
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

import pytest

from shared import webhooks
from shared.settings import settings
from shared.webhooks import why_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

SECRET = "whsec"
BODY = b'{"event":"call.ended","call":{}}'


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SUPABASE_URL", "FUNCTIONS_URL"):
        monkeypatch.setenv(name, "https://project.example")
    for name in ("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.setenv(name, "key")
    settings.cache_clear()
    yield
    settings.cache_clear()


def sign(timestamp: str, body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body + timestamp.encode(), "sha256").hexdigest()


def written(**age: float) -> str:
    return (datetime.now(UTC) - timedelta(**age)).isoformat()


def test_body_first_and_then_the_timestamp_is_what_is_signed() -> None:
    known = "5d1fb45c120557d9f1ec9d4a9bee6da86e400f60728b7196b6d323d1ed08a04d"

    assert sign("2026-01-15T10:30:00Z") == known


@pytest.mark.parametrize(
    "write",
    [
        written,
        lambda: written(seconds=290),
        lambda: written(seconds=-290),
        lambda: written().replace("+00:00", "Z"),
        lambda: written().replace("+00:00", ""),
        lambda: datetime.now(timezone(timedelta(hours=-5))).isoformat(),
    ],
    ids=["offset", "almost too old", "almost too new", "Z", "naive", "New York"],
)
def test_a_signature_of_now_is_accepted(write: Callable[[], str]) -> None:
    timestamp = write()

    assert why_refused(SECRET, BODY, timestamp, sign(timestamp)) is None


def test_a_time_without_an_offset_is_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        now = written().replace("+00:00", "")
        assert why_refused(SECRET, BODY, now, sign(now)) is None
    finally:
        monkeypatch.undo()
        time.tzset()


def test_each_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def watched(expected: bytes, given: bytes) -> bool:
        compared.append(given)
        return compare(expected, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    now = written()

    assert why_refused(SECRET, BODY, now, f"{sign(now)},x,{sign(now, secret='older')}") is None
    assert compared == [sign(now).encode(), b"x", sign(now, secret="older").encode()]


def test_of_several_signatures_any_may_match() -> None:
    now = written()
    other = sign(now, secret="older")

    assert why_refused(SECRET, BODY, now, f"{other}, {sign(now)}") is None
    assert why_refused(SECRET, BODY, now, f"{sign(now)},{other}") is None
    assert why_refused(SECRET, BODY, now, f"{other},{other}") == "no signature matches"


@pytest.mark.parametrize("age", [310, -310])
def test_a_timestamp_outside_the_window_is_refused_though_it_is_signed(age: float) -> None:
    timestamp = written(seconds=age)

    assert why_refused(SECRET, BODY, timestamp, sign(timestamp)) == "the timestamp is not of now"


@pytest.mark.parametrize(("age", "is_refused"), [(300, False), (-300, False), (301, True), (-301, True)])
def test_the_window_is_five_minutes_to_the_second(
    age: float, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2030, 1, 16, 9, tzinfo=UTC)

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return moment.astimezone(tz)

    monkeypatch.setattr(webhooks, "datetime", Stopped)
    timestamp = (moment - timedelta(seconds=age)).isoformat()

    assert bool(why_refused(SECRET, BODY, timestamp, sign(timestamp))) is is_refused


@pytest.mark.parametrize("timestamp", ["1795325970", "now", ""])
def test_what_is_no_timestamp_is_refused_though_it_is_signed(timestamp: str) -> None:
    assert why_refused(SECRET, BODY, timestamp, sign(timestamp)) == "the timestamp is not of now"


def test_another_body_timestamp_or_secret_is_refused() -> None:
    now = written()

    for signature in (sign(now, BODY + b" "), sign(written(seconds=1)), sign(now, secret="other"), "", "é", "x" * 64):
        assert why_refused(SECRET, BODY, now, signature) == "no signature matches"


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_accepted(secret: str | None) -> None:
    now = written()

    assert why_refused(secret, BODY, now, sign(now, secret="")) == "no secret is stored for the agency"
