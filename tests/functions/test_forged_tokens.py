"""Ten thousand tokens, each wrong in some way, against a whole function: 401 each time, and nobody else is asked."""

# ruff: noqa: S311 - what is drawn here must be drawn again from its seed
from __future__ import annotations

import base64
import json
import random
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from tests.calling import call, claims
from tests.functions.conftest import forget
from tests.project import EC, ED, KEYS, RSA, USER, serving_project
from tests.servers import passing_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack import Stack
    from tests.project import Project
    from tests.servers import Asked

COUNT = 10_000
ANOTHER = ec.generate_private_key(ec.SECP256R1())
ANOTHER_RSA = rsa.generate_private_key(65537, 2048)
PUBLIC = [
    EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    EC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    json.dumps(KEYS[0]).encode(),
    KEYS[0]["x"].encode(),
    b"s" * 32,  # the symmetric key that a public document must not make valid
    b"",
]
KEY_IDS: list[Any] = [
    "ed",
    "rsa",
    "shared",
    "unknown",
    "",
    "../ec",
    "ec\x00",
    "EC",
    "x" * 5000,
    1,
    None,
    ["ec"],
    {"ec": 1},
]
ODD: list[Any] = [None, "", "x", -1, 0, True, [], {}, 1e400, "9" * 400, "\x00", "\u0660", {"a": [1] * 50}]
CLAIMS: dict[str, list[Any]] = {
    "exp": [None, 1, -1, 0, "soon", [], {}, False],
    "nbf": [2**33, "later", []],
    "iat": ["x", []],
    "aud": [None, "anon", "", [], ["anon"], "authenticated ", "AUTHENTICATED", {}, 7],
    "iss": [None, "", "https://elsewhere.example/auth/v1", [], 7],
    "sub": [None, "", "owner@acme.test", "' or 1=1 --", 7, [], "../" * 40],
    "role": [None, "", "anon", "service_role", "postgres", "authenticator", [], "AUTHENTICATED"],
}


def spelled(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Forger:
    """Makes tokens that are none. Everything is drawn from one seed, so that a failure can be repeated."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project, self.dice = project, random.Random(seed)
        self.ways: list[Callable[[], str]] = [
            self.claim_that_is_wrong,
            self.other_projects_key,
            self.other_key_id,
            self.unsigned,
            self.public_key_as_secret,
            self.other_algorithm,
            self.key_in_the_header,
            self.bent_signature,
            self.bent_payload,
            self.cut,
            self.parts_in_disorder,
            self.huge,
            self.no_json,
            self.decorated,
        ]

    def one(self) -> str:
        return self.dice.choice(self.ways)()

    def good(self) -> str:
        return self.project.token()

    def claims(self, **changes: object) -> dict[str, Any]:
        return claims(USER, self.project.issuer, **changes)

    def signed(self, header: object, payload: object, key: Any = EC) -> str:
        text = f"{spelled(header)}.{spelled(payload)}"
        return f"{text}.{spelled(jwt.get_algorithm_by_name('ES256').sign(text.encode(), key))}"

    def claim_that_is_wrong(self) -> str:
        name = self.dice.choice(list(CLAIMS))
        changed = self.claims() | {name: self.dice.choice(CLAIMS[name])}
        return self.signed({"alg": "ES256", "kid": "ec"}, {k: v for k, v in changed.items() if v is not None})

    def other_projects_key(self) -> str:
        if self.dice.random() < 0.5:
            return self.project.token(key=ANOTHER, kid=self.dice.choice(["ec", "unknown", "ed"]))
        return self.project.token(key=ANOTHER_RSA, kid=self.dice.choice(["rsa", "ec"]), alg="RS256")

    def other_key_id(self) -> str:
        header = {"alg": "ES256", "kid": self.dice.choice(KEY_IDS)}
        if self.dice.random() < 0.1:
            del header["kid"]
        return self.signed(header, self.claims())

    def unsigned(self) -> str:
        header = {"alg": self.dice.choice(["none", "None", "NONE", "nOnE", "", None]), "kid": "ec"}
        return f"{spelled(header)}.{spelled(self.claims())}.{self.dice.choice(['', 'x', spelled(b'x' * 64)])}"

    def public_key_as_secret(self) -> str:
        algorithm = self.dice.choice(["HS256", "HS384", "HS512"])
        text = (
            f"{spelled({'alg': algorithm, 'kid': self.dice.choice(['ec', 'rsa', 'shared'])})}.{spelled(self.claims())}"
        )
        hmac = jwt.get_algorithm_by_name(algorithm)
        return f"{text}.{spelled(hmac.sign(text.encode(), self.dice.choice(PUBLIC)))}"

    def other_algorithm(self) -> str:
        key, algorithm = self.dice.choice([(RSA, "RS256"), (RSA, "PS256"), (RSA, "RS512"), (ED, "EdDSA")])
        return self.project.token(key=key, alg=algorithm, kid="ec")

    def key_in_the_header(self) -> str:
        own = ECAlgorithm.to_jwk(ANOTHER.public_key(), as_dict=True)
        extras: list[dict[str, Any]] = [
            {"jwk": own},
            {"jku": "http://127.0.0.1:9/keys"},
            {"x5u": "http://127.0.0.1:9/cert"},
            {"x5c": ["MIIB"]},
            {"crit": ["exp"]},
            {"b64": False, "crit": ["b64"]},
            {"zip": "DEF"},
            {"cty": "JWT"},
        ]
        return self.signed({"alg": "ES256", "kid": "ec", **self.dice.choice(extras)}, self.claims(), ANOTHER)

    def bent_signature(self) -> str:
        head, body, signature = self.good().split(".")
        raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
        raw[self.dice.randrange(len(raw))] ^= 1 << self.dice.randrange(8)
        return f"{head}.{body}.{spelled(bytes(raw))}"

    def bent_payload(self) -> str:
        head, _, signature = self.good().split(".")
        changed = self.claims(
            sub="00000000-0000-4000-8000-0000000000a1", **{self.dice.choice("abc"): self.dice.random()}
        )
        return f"{head}.{spelled(changed)}.{signature}"

    def cut(self) -> str:
        token = self.good()
        return token[: self.dice.randrange(len(token) - 2)]

    def parts_in_disorder(self) -> str:
        head, body, signature = self.good().split(".")
        return self.dice.choice(
            [
                f"{head}.{head}.{body}.{signature}",
                f"{body}.{head}.{signature}",
                f"{head}.{signature}.{body}",
                f"{head}.{body}",
                f"{head}.{body}.{signature}.{signature}",
                f"{head}.{body}.{signature}.",
                f".{body}.{signature}",
                f"{head}..{signature}",
                f"{head}.{body}.{signature},{head}.{body}.{signature}",
                f"{head} {head}.{body}.{signature}",
                "..",
                "...",
                ".",
            ]
        )

    def huge(self) -> str:
        size = self.dice.choice([10_000, 100_000])
        changed = self.claims(sub="x" * size) if self.dice.random() < 0.5 else self.claims(aud=["anon"] * (size // 10))
        return self.signed({"alg": "ES256", "kid": "ec"}, changed)

    def no_json(self) -> str:
        odd = self.dice.choice(
            [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"alg":"ES256"', b"[" * 3000, b"{}" * 9]
        )
        header = {"alg": "ES256", "kid": "ec"}
        return self.signed(odd, self.claims()) if self.dice.random() < 0.5 else self.signed(header, odd)

    def decorated(self) -> str:
        token, odd = self.good(), self.dice.choice(ODD)
        place = self.dice.randrange(token.index("."))
        return f"{token[:place]}{json.dumps(odd)}{token[place:]}"


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with serving_project() as project:
        for name, value in project.settings.items():
            monkeypatch.setenv(name, value)
        yield project
        monkeypatch.undo()
        forget()


@pytest.fixture
def asked(
    project: Project,  # noqa: ARG001 - its settings come first
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[list[Asked]]:
    """Every request that reaches PostgREST."""
    with passing_on(stack.env["SUPABASE_REST_URL"]) as served:
        monkeypatch.setenv("SUPABASE_REST_URL", served.url)
        forget()
        yield served.asked
        forget()


def test_a_token_of_the_project_reaches_the_database(project: Project, asked: list[Asked]) -> None:
    call("calls-batch-list", project.token())

    assert len(asked) == 1


@pytest.mark.timeout(300)
def test_a_token_that_is_wrong_in_any_way_is_refused_and_nobody_is_asked(project: Project, asked: list[Asked]) -> None:
    seed = random.randrange(2**32)
    forger = Forger(project, seed)
    began = time.monotonic()

    for number in range(COUNT):
        token = forger.one()
        reply = call("calls-batch-list", token)
        assert (reply.status, reply.headers.get("www-authenticate")) == (401, "Bearer"), (seed, number, token[:2000])

    assert asked == []
    assert 1 <= len(project.served.asked) <= 1 + (time.monotonic() - began) / 60
