"""What the provider has registered for us: the account-wide webhooks, which know the agency's secret."""

from __future__ import annotations

from typing import Any

import httpx

from shared.settings import settings

MOST_PAGES = 100


def set_webhook_secret(key: str, url: str, secret: str) -> int:
    """Give the webhooks that lead to this URL the new secret; how many there were. Raises httpx.HTTPError.

    Calls carry the secret of their own time in their callbacks, and keep it: the old one still has to count.
    """
    changed = 0
    with httpx.Client(base_url=settings().ultravox_base_url, headers={"X-API-Key": key}, timeout=10) as client:
        for webhook in _webhooks(client):
            if webhook.get("url", "").rstrip("/") == url.rstrip("/"):
                client.patch(f"/api/webhooks/{webhook['webhookId']}", json={"secrets": [secret]}).raise_for_status()
                changed += 1
    return changed


def _webhooks(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page: Any = client.get("/api/webhooks", params=query).raise_for_status().json()
        found += page["results"]
        if not page.get("next"):
            break
        query = {"cursor": httpx.URL(str(page["next"])).params.get("cursor", "")}
    return found
