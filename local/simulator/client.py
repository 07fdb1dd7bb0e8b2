"""The simulator's controls for tests, benchmarks and the demo."""

from __future__ import annotations

import ssl
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import httpx
from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Generator

Json = dict[str, Any]

# It is reached by plain HTTP: reading the certificates of the whole world first would take most of a test's time.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Simulator:
    """A running simulator. Every method raises httpx.HTTPStatusError, with the simulator's sentence, if refused."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = httpx.Client(base_url=base_url, timeout=30, verify=NO_TLS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections; the simulator runs on."""
        self._http.close()

    def configure(self, **patch: Any) -> Json:
        """Merges `patch` into the configuration (see `config.Config`) and answers all of it."""
        return self._ask("PUT", "/simulator/config", patch)

    def config(self) -> Json:
        """The configuration."""
        return self._ask("GET", "/simulator/config")

    def add_account(self, api_key: str, **members: Any) -> str:
        """Adds or changes an account (see `config.AccountConfig`); answers its UUID."""
        return self._ask("POST", "/simulator/accounts", {"api_key": api_key, **members})["account_id"]

    def add_fault(self, action: str, match: Json | None = None, **members: Any) -> int:
        """Puts a fault in force (see `faults.Fault`); answers its number."""
        return self._ask("POST", "/simulator/faults", {"action": action, "match": match or {}, **members})["id"]

    def faults(self) -> list[Json]:
        """The faults in force, with how often each has struck (`hits`)."""
        return self._ask("GET", "/simulator/faults")

    def remove_fault(self, number: int) -> None:
        """Ends one of them."""
        self._ask("DELETE", f"/simulator/faults/{number}")

    def clear_faults(self) -> None:
        """All is well again."""
        self._ask("DELETE", "/simulator/faults")

    def stats(self, batch_id: str | None = None, account: str | None = None) -> Json:
        """What the oracle counted for a batch, an account (by UUID), or everything."""
        return self._ask("GET", "/simulator/stats", params=_given(batch_id=batch_id, account=account))

    def calls(self, batch_id: str | None = None, account: str | None = None, since: float | None = None) -> list[Json]:
        """Every accepted call, oldest first; `since` is epoch seconds."""
        params = _given(batch_id=batch_id, account=account, since=since)
        page = self._ask("GET", "/simulator/calls", params=params)
        calls: list[Json] = page["calls"]
        while page["next"] is not None:
            page = self._ask("GET", "/simulator/calls", params={**params, "after": page["next"]})
            calls += page["calls"]
        return calls

    def listed(self, api_key: str) -> int:
        """How many calls a customer of this key is told of, past and present."""
        answer = self._http.get("/api/calls", params={"pageSize": 1}, headers={"X-API-Key": api_key})
        return answer.raise_for_status().json()["total"]

    def reset(self) -> None:
        """Forgets calls, faults and counts; the configuration stays."""
        self._ask("POST", "/simulator/reset")

    def join_call(self, ultravox_call_id: str) -> None:
        """Somebody answers now."""
        self._ask("POST", f"/simulator/calls/{ultravox_call_id}/join")

    def end_call(self, ultravox_call_id: str, reason: str = "hangup", outcome: str | None = None) -> None:
        """The call is over now."""
        self._ask("POST", f"/simulator/calls/{ultravox_call_id}/end", {"reason": reason, "outcome": outcome})

    def delete_call(self, ultravox_call_id: str) -> None:
        """Only its tombstone remains."""
        self._ask("POST", f"/simulator/calls/{ultravox_call_id}/delete")

    def refuse_connections(self, seconds: float) -> None:
        """Nobody can connect for so long; connections that are idle now are closed."""
        self._ask("POST", "/simulator/outage", {"seconds": seconds})

    def _ask(self, method: str, path: str, body: Json | None = None, params: Json | None = None) -> Any:
        content = None if body is None else to_json(body)
        answer = self._http.request(method, path, content=content, params=params)
        if answer.is_error:
            raise httpx.HTTPStatusError(f"{method} {path}: {answer.text}", request=answer.request, response=answer)
        return answer.json() if answer.content else None


@contextmanager
def running(config: Json | None = None, *, port: int = 0) -> Generator[Simulator]:
    """A simulator in a process of its own, ended on leaving. Raises RuntimeError if it does not start."""
    arguments = ["--port", str(port), "--config", to_json(config or {}).decode()]
    with subprocess.Popen(
        [sys.executable, "-m", "local.simulator", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout  # noqa: S101  # asked for above
            line = process.stdout.readline()
            if not line.startswith("simulator listening on "):
                raise RuntimeError(f"The simulator did not start (exit status {process.wait()}).")
            with Simulator(line.split()[-1]) as simulator:
                yield simulator
        finally:
            process.terminate()


def _given(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value is not None}
