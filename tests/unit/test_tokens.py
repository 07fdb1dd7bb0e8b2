from __future__ import annotations

import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from shared import database, tokens
from shared.auth import Caller
from shared.errors import UnauthorizedError, UnavailableError
from shared.settings import settings
from tests.project import EC, ED, KEYS, RSA, USER, serving_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.project import Project


def forget() -> None:
    """Start as a new container would."""
    settings.cache_clear()
    database.close()
    tokens.close()


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with serving_project() as project:
        for name, value in project.settings.items():
            monkeypatch.setenv(name, value)
        forget()
        yield project
        forget()


def refuse(authorization: str | None) -> None:
    with pytest.raises(UnauthorizedError, match=r"^Missing or invalid authorization header$"):
        tokens.caller(authorization)


@pytest.mark.parametrize(("key", "kid", "alg"), [(EC, "ec", "ES256"), (ED, "ed", "EdDSA"), (RSA, "rsa", "RS256")])
def test_a_token_of_the_project_names_its_user(project: Project, key: Any, kid: str, alg: str) -> None:
    token = project.token(key=key, kid=kid, alg=alg)

    assert tokens.caller(f"Bearer {token}") == Caller(USER, token)


def test_the_scheme_is_read_in_any_case(project: Project) -> None:
    assert tokens.caller(f"bearer  {project.token()} ").user_id == USER


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer a.b", "Bearer a.b.c.d", "Bearer ü.b.c", "a.b.c"],
)
def test_what_is_no_bearer_token_is_refused_before_any_key_is_fetched(
    project: Project, authorization: str | None
) -> None:
    refuse(authorization)

    assert project.served.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e400},
        {"sub": None},
        {"sub": "owner@acme.test"},
        {"sub": ""},
        {"aud": None},
        {"aud": "anon"},
        {"iss": None},
        {"iss": "https://elsewhere.example/auth/v1"},
        {"nbf": int(time.time()) + 3600},
        {"role": None},
        {"role": "service_role"},
        {"role": "anon"},
    ],
)
def test_a_signed_token_with_a_claim_that_is_wrong_or_missing_is_refused(
    project: Project, changes: dict[str, Any]
) -> None:
    refuse(f"Bearer {project.token(**changes)}")


def test_a_token_that_expired_within_the_leeway_is_still_good(project: Project) -> None:
    assert tokens.LEEWAY_SECONDS <= 30
    assert tokens.caller(f"Bearer {project.token(exp=int(time.time()) - 2)}").user_id == USER


@pytest.mark.parametrize(
    ("key", "kid", "alg"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ec", "ES256"),
        (RSA, "ec", "RS256"),
        (EC, "rsa", "ES256"),
        (EC, "unknown", "ES256"),
        (EC, None, "ES256"),
        (b"s" * 32, "shared", "HS256"),
    ],
    ids=["forged", "RS256 with an EC key", "ES256 with an RSA key", "unknown kid", "no kid", "HS256"],
)
def test_a_signature_that_is_not_the_projects_is_refused(project: Project, key: Any, kid: str | None, alg: str) -> None:
    refuse(f"Bearer {project.token(key=key, kid=kid, alg=alg)}")


def test_a_public_key_is_no_shared_secret(project: Project) -> None:
    public = EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"ec"}').decode().rstrip("=")
    signed = f"{head}.{project.token().split('.')[1]}"
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).decode().rstrip("=")

    refuse(f"Bearer {signed}.{signature}")


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES384", "EdDSA", "none"])
def test_a_token_does_not_choose_how_it_is_checked(project: Project, alg: str) -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "ec"}).encode()).decode().rstrip("=")
    signed = f"{head}.{project.token().split('.')[1]}"
    signature = base64.urlsafe_b64encode(ECAlgorithm(ECAlgorithm.SHA256).sign(signed.encode(), EC)).decode().rstrip("=")

    refuse(f"Bearer {signed}.{signature}")


def test_an_unsigned_token_is_refused(project: Project) -> None:
    header, payload, _ = project.token().split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"ec"}').decode().rstrip("=")

    refuse(f"Bearer {unsigned}.{payload}.")
    refuse(f"Bearer {unsigned}.{payload}.x")
    refuse(f"Bearer {header}.{payload}.x")


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_token_changed_in_any_place_is_refused(project: Project, data: st.DataObject) -> None:
    token = project.token()
    place = data.draw(st.integers(0, len(token) - 1))
    inserted = data.draw(st.text("abcXYZ019-_.={}\x00é ", max_size=5))
    removed = data.draw(st.integers(0, 5))
    changed = token[:place] + inserted + token[place + removed :]
    if jwt_bytes(changed) == jwt_bytes(token):  # base64 has several spellings of one signature
        return

    refuse(f"Bearer {changed}")


def jwt_bytes(token: str) -> list[bytes] | None:
    """A token's three parts as bytes; None where they are none."""
    try:
        return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.strip().split(".")]
    except ValueError:
        return None


def test_the_keys_are_fetched_once_for_many_tokens(project: Project) -> None:
    for _ in range(5):
        tokens.caller(f"Bearer {project.token()}")

    assert [asked.path for asked in project.served.asked] == ["/auth/v1/.well-known/jwks.json"]


def test_an_unknown_key_refreshes_the_set_at_most_once_a_minute(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = ec.generate_private_key(ec.SECP256R1())
    rotated = {**ECAlgorithm.to_jwk(new.public_key(), as_dict=True), "kid": "new", "alg": "ES256"}
    tokens.caller(f"Bearer {project.token()}")
    project.served.answer = lambda _: (200, json.dumps({"keys": [*KEYS, rotated]}).encode())

    assert tokens.REFRESH_SECONDS == 60
    for _ in range(3):
        refuse(f"Bearer {project.token(key=new, kid='new')}")
    assert len(project.served.asked) == 1

    monkeypatch.setattr(tokens, "REFRESH_SECONDS", 0)
    assert tokens.caller(f"Bearer {project.token(key=new, kid='new')}").user_id == USER
    assert len(project.served.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        *(None, (500, b""), (200, b"<html>"), (200, b"[]"), (200, b'{"keys": []}')),
        (200, json.dumps({"keys": KEYS[3:]}).encode()),  # none that may be used
    ],
)
def test_a_failed_refresh_keeps_the_keys_there_are(
    project: Project, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes] | None
) -> None:
    tokens.caller(f"Bearer {project.token()}")
    project.served.answer = lambda _: answer
    monkeypatch.setattr(tokens, "REFRESH_SECONDS", 0)

    refuse(f"Bearer {project.token(kid='unknown')}")

    assert len(project.served.asked) == (2 if answer else 3)  # a connection that is lost is tried once more
    assert tokens.caller(f"Bearer {project.token()}").user_id == USER


def test_while_no_key_could_be_fetched_nobody_is_refused_for_it(project: Project) -> None:
    working = project.served.answer
    project.served.answer = lambda _: (503, b"")

    with pytest.raises(UnavailableError):
        tokens.caller(f"Bearer {project.token()}")

    project.served.answer = working
    assert tokens.caller(f"Bearer {project.token()}").user_id == USER
