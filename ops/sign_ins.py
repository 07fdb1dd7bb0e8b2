"""Who can sign in: the admin interface of Supabase Auth, with the service key."""

from __future__ import annotations

from typing import Any

import httpx

from shared.settings import settings

PAGE = 200
MOST_PAGES = 500


def make(email: str, password: str) -> tuple[str, bool]:
    """The id of the person with this address, and whether they were made now. Raises httpx.HTTPError."""
    with _client() as client:
        body = {"email": email, "password": password, "email_confirm": True}
        response = client.post("/admin/users", json=body)
        if response.status_code == 422 and (known := _find(client, email)):
            return known, False
        return response.raise_for_status().json()["id"], True


def _find(client: httpx.Client, email: str) -> str | None:
    for page in range(1, MOST_PAGES + 1):
        response = client.get("/admin/users", params={"page": page, "per_page": PAGE}).raise_for_status()
        users: list[dict[str, Any]] = response.json()["users"]
        for user in users:
            if str(user["email"]).lower() == email.lower():
                return user["id"]
        if len(users) < PAGE:
            return None
    return None


def _client() -> httpx.Client:
    key = settings().supabase_service_role_key.get_secret_value()
    return httpx.Client(
        base_url=settings().auth_url, headers={"apikey": key, "Authorization": f"Bearer {key}"}, timeout=10
    )
