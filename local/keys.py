"""The keys of one local stack: made once, kept in its state folder, different on every machine."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING, Any, cast

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, HMACAlgorithm

from local.demo_data import AGENCIES
from shared import api_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TEN_YEARS = 10 * 365 * 24 * 3600
Jwk = dict[str, Any]


@dataclass(frozen=True)
class AgencySecrets:
    """An agency's key at the provider, and the secret with which the provider signs its webhooks to it."""

    ultravox_api_key: str
    webhook_secret: str


@dataclass(frozen=True)
class Keys:
    """ES256 signs users' tokens; the HS256 secret signs the two API keys, which are tokens without a user."""

    key_id: str
    private_pem: str
    hs256_secret: str
    anon_key: str
    service_role_key: str
    agencies: Mapping[str, AgencySecrets]

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A user's token."""
        return jwt.encode(dict(claims), self.private_pem, "ES256", headers={"kid": self.key_id})

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a user's token or an API key of this stack; raises jwt.InvalidTokenError."""
        if jwt.get_unverified_header(token).get("alg") == "HS256":
            return jwt.decode(token, self.hs256_secret, ["HS256"])
        return jwt.decode(token, self._public_key, ["ES256"], audience="authenticated")

    def api_secret(self, slug: str) -> str:
        """The secret of an agency's key for the batch-call endpoints."""
        return api_keys.secret_of(f"demo:{slug}", self.hs256_secret)

    def public_jwks(self) -> dict[str, list[Jwk]]:
        """What anybody may fetch: the public key alone."""
        return {"keys": [self._public_jwk]}

    def verifier_jwks(self) -> dict[str, list[Jwk]]:
        """What PostgREST verifies with: the public key, and the secret behind the API keys."""
        secret = HMACAlgorithm.to_jwk(self.hs256_secret, as_dict=True)
        return {"keys": [self._public_jwk, {**secret, "alg": "HS256", "use": "sig"}]}

    @cached_property
    def _public_key(self) -> ec.EllipticCurvePublicKey:
        key = load_pem_private_key(self.private_pem.encode(), password=None)
        return cast("ec.EllipticCurvePrivateKey", key).public_key()

    @property
    def _public_jwk(self) -> Jwk:
        public = ECAlgorithm.to_jwk(self._public_key, as_dict=True)
        return {**public, "kid": self.key_id, "alg": "ES256", "use": "sig"}


def load_or_make(file: Path) -> Keys:
    """The keys in `file`; makes both at the first call."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(_make()), indent=2))
    kept = json.loads(file.read_text())
    agencies = {slug: AgencySecrets(**values) for slug, values in kept.pop("agencies").items()}
    return Keys(**kept, agencies=agencies)


def _make() -> Keys:
    private = ec.generate_private_key(ec.SECP256R1())
    secret = token_hex(32)
    return Keys(
        key_id=token_hex(8),
        private_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        hs256_secret=secret,
        anon_key=_api_key("anon", secret),
        service_role_key=_api_key("service_role", secret),
        agencies={agency.slug: AgencySecrets(token_hex(16), token_hex(16)) for agency in AGENCIES},
    )


def _api_key(role: str, secret: str) -> str:
    now = int(time.time())
    return jwt.encode({"iss": "supabase", "role": role, "iat": now, "exp": now + TEN_YEARS}, secret, "HS256")
