from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from shared.settings import Settings, SettingsError, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = {
    "SUPABASE_URL": "https://project.example",
    "SUPABASE_ANON_KEY": "anon",
    "SUPABASE_SERVICE_ROLE_KEY": "the-service-role-key",
    "FUNCTIONS_URL": "https://functions.example",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def test_four_variables_are_enough() -> None:
    found = settings()

    assert found.rest_url == "https://project.example/rest/v1"
    assert found.auth_url == "https://project.example/auth/v1"
    assert found.cors_allowed_origins == ("*",)
    assert found.turn_seconds == 40


def test_the_environment_is_read_once(environment: pytest.MonkeyPatch) -> None:
    first = settings()
    environment.setenv("STAGE", "changed")

    assert settings() is first
    assert first.stage == "local"


def test_every_field_is_the_variable_of_the_same_name_in_capitals(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SUPABASE_REST_URL", "http://127.0.0.1:3000/")
    environment.setenv("CORS_ALLOWED_ORIGINS", "https://a.example, https://b.example")
    environment.setenv("DIAL_BY_SECONDS", "0.5")

    found = settings()

    assert found.rest_url == "http://127.0.0.1:3000"
    assert found.cors_allowed_origins == ("https://a.example", "https://b.example")
    assert found.dial_by_seconds == 0.5


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().stage = "production"  # pyright: ignore[reportAttributeAccessIssue]


def test_secrets_do_not_show_in_the_representation() -> None:
    assert "the-service-role-key" not in repr(settings())


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_variable_is_named(environment: pytest.MonkeyPatch, value: str | None) -> None:
    environment.delenv("FUNCTIONS_URL")
    if value is not None:
        environment.setenv("FUNCTIONS_URL", value)

    with pytest.raises(SettingsError, match=r"^FUNCTIONS_URL is missing$"):
        settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DIAL_BY_SECONDS", "0", "DIAL_BY_SECONDS: Input should be greater than 0"),
        ("LEASE_SECONDS", "soon", "LEASE_SECONDS: Input should be a valid number"),
        ("GIVE_UP_SECONDS", "inf", "GIVE_UP_SECONDS: Input should be a finite number"),
        ("JWT_VERIFICATION", "none", "JWT_VERIFICATION: Input should be 'jwks' or 'auth-server'"),
        ("SUPABASE_URL", "project.example", "SUPABASE_URL: String should match"),
    ],
)
def test_a_wrong_value_is_named(environment: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    environment.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        settings()
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "ASK_AFTER_SECONDS",
            "30",
            "DIAL_BY_SECONDS + DIAL_TIMEOUT_SECONDS (30) must be less than ASK_AFTER_SECONDS (30)",
        ),
        ("CONNECT_TIMEOUT_SECONDS", "20", "CONNECT_TIMEOUT_SECONDS (20) must be less than DIAL_TIMEOUT_SECONDS (20)"),
        (
            "LEASE_SECONDS",
            "40",
            "DIAL_BY_SECONDS + DIAL_TIMEOUT_SECONDS + WRITE_TIMEOUT_SECONDS + WRITE_TIMEOUT_SECONDS (40) "
            "must be less than LEASE_SECONDS (40)",
        ),
        ("SILENCE_SECONDS", "90", "JOIN_TIMEOUT_SECONDS (90) must be less than SILENCE_SECONDS (90)"),
        ("GIVE_UP_SECONDS", "600", "SILENCE_SECONDS (600) must be less than GIVE_UP_SECONDS (600)"),
        (
            "ASK_AGAIN_SECONDS",
            "86340",
            "ASK_AFTER_SECONDS + ASK_AGAIN_SECONDS (86400) must be less than GIVE_UP_SECONDS (86400)",
        ),
        (
            "SYNC_PAGE_TIMEOUT_SECONDS",
            "60",
            "SYNC_PAGE_TIMEOUT_SECONDS (60) must be less than SYNC_FETCH_SECONDS (60)",
        ),
        (
            "SYNC_LEASE_SECONDS",
            "70",
            "SYNC_FETCH_SECONDS + WRITE_TIMEOUT_SECONDS + WRITE_TIMEOUT_SECONDS (70) "
            "must be less than SYNC_LEASE_SECONDS (70)",
        ),
    ],
)
def test_times_that_do_not_fit_together_are_refused(
    environment: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        settings()
    assert str(refused.value) == sentence
