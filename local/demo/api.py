"""The endpoints, called over HTTP as a client of the product calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from local.processes import LocalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

Json = dict[str, Any]


class Api:
    """Signed in as one user. Every method raises LocalError, with the sentence answered, when it is refused."""

    def __init__(self, env: Mapping[str, str], email: str) -> None:
        self._http = httpx.Client(base_url=env["FUNCTIONS_URL"], timeout=30, trust_env=False)
        self._http.headers["authorization"] = f"Bearer {self._sign_in(env, email)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create(self, batch: Json) -> str:
        """The id of a new batch."""
        return self._ask("POST", "calls-batch-create", json=batch)["batch_id"]

    def get(self, batch_id: str) -> Json:
        """The batch as it is, without its contacts."""
        query = {"batch_id": batch_id, "contact_limit": 0}
        return self._ask("GET", "calls-batch-get", params=query)["batch"]

    def forecast(self, batch_id: str) -> Json | None:
        """When the batch will be through, and what limits it; None of one that is over."""
        return self._ask("GET", "calls-batch-get", params={"batch_id": batch_id, "contact_limit": 0})["forecast"]

    def pause(self, batch_id: str) -> Json:
        return self._ask("POST", "calls-batch-pause", json={"batch_id": batch_id})

    def resume(self, batch_id: str) -> Json:
        return self._ask("POST", "calls-batch-resume", json={"batch_id": batch_id})

    def cancel(self, batch_id: str) -> Json:
        return self._ask("POST", "calls-batch-cancel", json={"batch_id": batch_id})

    def why(self, contact_id: UUID) -> str:
        """Why somebody on a list is where they are."""
        return self._ask("GET", "calls-batch-contact", params={"contact_id": f"{contact_id}"})["why"]

    def start_sync(self) -> str:
        """The id of a new import of everything until now."""
        return self._ask("POST", "start-historical-sync")["job_id"]

    def sync_status(self) -> Json:
        return self._ask("GET", "get-sync-status")

    def _sign_in(self, env: Mapping[str, str], email: str) -> str:
        url = f"{env['SUPABASE_URL']}/auth/v1/token?grant_type=password"
        credentials = {"email": email, "password": env["DEMO_PASSWORD"]}
        return self._ask("POST", url, json=credentials, headers={"apikey": env["SUPABASE_ANON_KEY"]})["access_token"]

    def _ask(self, method: str, path: str, **request: Any) -> Json:
        name = path.rpartition("/")[2].partition("?")[0]
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise LocalError(f"{name} did not answer: {error!r}.") from error
        if answer.is_error:
            raise LocalError(f"{name} answered {answer.status_code}: {_sentence(answer)}")
        return answer.json()


def _sentence(answer: httpx.Response) -> str:
    try:
        return answer.json()["error"]
    except (ValueError, KeyError):
        return answer.text
