"""A Supabase project's signing keys, with their private halves, and an Auth server that publishes the public ones."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.calling import claims
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers import Served

USER = uuid4()
EC, ED, RSA = (
    ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65537, 2048),
)
KEYS: list[dict[str, Any]] = [
    {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ec", "alg": "ES256"},
    {**OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True), "kid": "ed"},
    {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "rsa", "alg": "RS256"},
    {"kty": "oct", "kid": "shared", "alg": "HS256", "k": base64.urlsafe_b64encode(b"s" * 32).decode()},
]


@dataclass
class Project:
    """The project's Auth server as far as verification needs it."""

    served: Served
    issuer: str

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a function of this project."""
        return {
            "SUPABASE_URL": self.served.url,
            "SUPABASE_ANON_KEY": "anon",
            "SUPABASE_SERVICE_ROLE_KEY": "service",
            "FUNCTIONS_URL": self.served.url,
        }

    def token(self, *, key: Any = EC, kid: str | None = "ec", alg: str = "ES256", **changes: object) -> str:
        headers = {} if kid is None else {"kid": kid}
        return jwt.encode(claims(USER, self.issuer, **changes), key, alg, headers=headers)


@contextmanager
def serving_project() -> Generator[Project]:
    """A project on a free port of 127.0.0.1 until the block ends."""
    with serving(lambda _: (200, json.dumps({"keys": KEYS}).encode())) as served:
        yield Project(served, f"{served.url}/auth/v1")
