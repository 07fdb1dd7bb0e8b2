"""One function for each command: arguments in, what is now so out. They act through the database's own functions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from ops import parameters, provider, sign_ins
from shared.database import rpc
from shared.secrets import PROVIDER_KEY, WEBHOOK_SECRET, WebhookSecret, provider_key
from shared.settings import settings
from shared.ultravox import LookupFailedError, Ultravox

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

PREVIOUS_COUNTS = timedelta(days=1)  # longer than any call and than the provider's repetitions
LIMITS = (
    "max_calls_per_minute",
    "max_concurrent_calls",
    "default_calls_per_minute",
    "default_max_concurrent",
    "max_requests_per_minute",
)


class OpsError(Exception):
    """A command that was not done; the message says why."""


def agency_add(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """Make an agency with a webhook secret; repeated with the same `--id`, it changes nothing but the limits given."""
    agency_id: UUID = arguments.agency_id or uuid4()
    # The secret comes first: an agency that exists without one would have its events refused.
    if parameters.read(agency_id, WEBHOOK_SECRET) is None:
        parameters.store(agency_id, WEBHOOK_SECRET, _new_secret())
    agency = rpc("add_agency", {"p_id": agency_id, "p_name": arguments.name})
    if any(getattr(arguments, name) for name in LIMITS):
        agency = _set_limits(agency_id, arguments)
    return {**agency, "webhook_url": _webhook_url(agency_id)}


def agency_key_set(arguments: argparse.Namespace, key: str) -> Mapping[str, Any]:
    """Store the key, once the provider has accepted it. Raises OpsError when it does not."""
    _require_agency(arguments.agency_id)
    account = {} if arguments.unchecked else _account(key)
    parameters.store(arguments.agency_id, PROVIDER_KEY, key)
    return {
        "agency_id": str(arguments.agency_id),
        "stored": True,
        "account": account.get("name"),
        "allowed_concurrent_calls": account.get("allowedConcurrentCalls"),
    }


def webhook_secret_rotate(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """Make a new secret, let the old one count for a day, and tell it to the webhooks that the provider has for us.

    While an older one still counts no further one is made, and the rest is done again: that finishes a command which
    failed half way, and no secret that calls carry is forgotten. Raises httpx.HTTPError.
    """
    agency_id: UUID = arguments.agency_id
    _require_agency(agency_id)
    stored = parameters.read(agency_id, WEBHOOK_SECRET)
    known = WebhookSecret.read(stored) if stored else None
    secret = known if known and known.previous_counts() else _after(known)
    if secret is not known:
        # Before the provider: from here on both are accepted, so nothing it signs meanwhile is lost.
        parameters.store(agency_id, WEBHOOK_SECRET, secret.model_dump_json())
    key = provider_key(agency_id, fresh=True)
    until = secret.previous_until
    return {
        "agency_id": str(agency_id),
        "made": secret is not known,
        "previous_until": until.isoformat(timespec="seconds") if until else None,
        "webhooks_told": provider.set_webhook_secret(key, _webhook_url(agency_id), secret.current) if key else 0,
    }


def _after(known: WebhookSecret | None) -> WebhookSecret:
    if known is None:
        return WebhookSecret(current=_new_secret())
    until = datetime.now(UTC) + PREVIOUS_COUNTS
    return WebhookSecret(current=_new_secret(), previous=known.current, previous_until=until)


def user_add(arguments: argparse.Namespace, password: str) -> Mapping[str, Any]:
    """Let a person sign in, where nobody can yet with that address, and give them a role in the agency."""
    _require_agency(arguments.agency_id)
    user_id, made = sign_ins.make(arguments.email, password)
    params = {
        "p_id": user_id,
        "p_agency_id": arguments.agency_id,
        "p_role": arguments.role,
        "p_email": arguments.email,
        "p_full_name": arguments.full_name,
    }
    return {**rpc("add_user", params), "sign_in": "made" if made else "was there, its password unchanged"}


def number_add(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """Add a caller id. Raises OpsError where `--sip-domain` and the provider do not go together."""
    if (arguments.provider == "sip") != bool(arguments.sip_domain):
        raise OpsError("--sip-domain goes with --provider sip, and with no other")
    params = {
        "p_agency_id": arguments.agency_id,
        "p_phone_number": arguments.phone_number,
        "p_provider": arguments.provider,
        "p_sip_domain": arguments.sip_domain,
    }
    return rpc("add_number", params)


def limits_set(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """Change the limits that are given; the answer has them all."""
    return _set_limits(arguments.agency_id, arguments)


def _set_limits(agency_id: UUID, arguments: argparse.Namespace) -> dict[str, Any]:
    given = {f"p_{name}": getattr(arguments, name) for name in LIMITS}
    return rpc("set_limits", {"p_agency_id": agency_id, **given})


def _require_agency(agency_id: UUID) -> None:
    rpc("require_agency", {"p_agency_id": agency_id})


def _webhook_url(agency_id: UUID) -> str:
    return f"{settings().functions_url}/webhook-ingest/{agency_id}"


def _new_secret() -> str:
    return token_urlsafe(32)


def _account(key: str) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with Ultravox() as ultravox:
            return await ultravox.account(key)

    try:
        return asyncio.run(ask())
    except LookupFailedError as error:
        raise OpsError(f"The provider did not accept the key, and it was not stored: {error}") from error
