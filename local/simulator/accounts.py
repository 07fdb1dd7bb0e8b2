"""The provider's customers: keys, plans, agents, registered webhooks and throttles."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from local.simulator.durations import timestamp
from local.simulator.limits import Window
from local.simulator.past import Past
from local.simulator.refusal import detail, throttled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.simulator.call import Call
    from local.simulator.config import AccountConfig, Refusals

Json = dict[str, Any]


class Agent:
    """An agent, and how many calls it made."""

    def __init__(self, agent_id: str, name: str, template: Json) -> None:
        self.id = agent_id
        self.name = name
        self.template = template
        self.created = timestamp(time.time())
        self.calls = 0

    def json(self) -> Json:
        """The provider's Agent."""
        return {
            "agentId": self.id,
            "publishedRevisionId": None,
            "name": self.name,
            "created": self.created,
            "callTemplate": self.template,
            "statistics": {"calls": self.calls},
        }


class Throttle:
    """A named set of sliding windows over the calls that name it."""

    def __init__(self, name: str, rules: list[dict[str, int]]) -> None:
        self.id = str(uuid4())
        self.created = timestamp(time.time())
        self.change(name, rules)

    def change(self, name: str, rules: list[dict[str, int]]) -> None:
        """Takes new rules; counting starts anew."""
        self.name = name
        self.rules = rules
        self.windows = [Window(rule["maxCalls"], rule["windowSeconds"]) for rule in rules]

    def json(self) -> Json:
        """The provider's CallThrottle."""
        return {"throttleId": self.id, "name": self.name, "created": self.created, "rules": self.rules}


class Webhook:
    """A registration for the events of an account, or of one of its agents."""

    def __init__(self, url: str, events: list[str], agent_id: str | None, shared: list[str] | None) -> None:
        self.id = str(uuid4())
        self.created = timestamp(time.time())
        self.url, self.events, self.agent_id = url, events, agent_id
        self.secrets = shared or [secrets.token_urlsafe(32)]
        self.status = "normal"
        self.last_status_change: str | None = None
        self.failures: list[Json] = []

    def report(self, failure: str | None) -> None:
        """Notes how a delivery went; None: well."""
        now = timestamp(time.time())
        status = "unhealthy" if failure else "normal"
        if failure:
            self.failures = [*self.failures, {"timestamp": now, "failure": failure}][-10:]
        if status != self.status:
            self.status, self.last_status_change = status, now

    def json(self) -> Json:
        """The provider's Webhook."""
        return {
            "webhookId": self.id,
            "agentId": self.agent_id,
            "created": self.created,
            "url": self.url,
            "secrets": self.secrets,
            "events": self.events,
            "status": self.status,
            "lastStatusChange": self.last_status_change,
            "recentFailures": self.failures,
        }


class Account:
    """One customer with all that belongs to it."""

    def __init__(self, config: AccountConfig, seed: int) -> None:
        self.id = config.id
        self.calls: list[Call] = []
        self.tombstones: list[Call] = []
        self.live = 0
        self.throttles: dict[str, Throttle] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.agents: dict[str, Agent] = {}
        self.configure(config, seed)

    def configure(self, config: AccountConfig, seed: int) -> None:
        """Takes a new plan, name, past and agents; agents made through the API stay."""
        self.config = config
        for agent in config.agents:
            self.agents[agent.agent_id] = Agent(agent.agent_id, agent.name, agent.call_template)
        plan = config.plan
        self.requests = Window(plan.api_requests_per_second, 1)
        self.starts = (Window(plan.calls_per_second, 1), Window(plan.calls_per_minute, 60))
        self.past = Past(config.past, self, seed)

    def agent(self, agent_id: str) -> Agent:
        """Raises Refusal 404."""
        if agent := self.agents.get(agent_id):
            return agent
        raise detail(404, "No Agent matches the given query.")

    def throttle(self, name_or_id: str) -> Throttle:
        """Raises Refusal 400."""
        for throttle in self.throttles.values():
            if name_or_id in (throttle.id, throttle.name):
                return throttle
        raise detail(400, f"There is no call throttle {name_or_id!r}.")

    def admit_request(self, now: float, refusals: Refusals) -> None:
        """Counts one request of any kind. Raises Refusal 429."""
        if wait := self.requests.wait(now):
            raise throttled(wait, "Request was throttled: too many API requests.", refusals)
        self.requests.take(now)

    def admit_call(self, now: float, throttle: Throttle | None, refusals: Refusals) -> None:
        """Counts one call about to be created. Raises Refusal 429 or 503, and then counts nothing."""
        windows = [*self.starts, *(throttle.windows if throttle else ())]
        if wait := max(window.wait(now) for window in windows):
            raise throttled(wait, "Request was throttled: call creation rate exceeded.", refusals)
        cap = self.config.plan.max_concurrent
        if cap is not None and self.live >= cap:
            sentence = "Request was throttled: the concurrent call limit is reached."
            raise throttled(refusals.concurrency_retry_after, sentence, refusals)
        for window in windows:
            window.take(now)

    def json(self) -> Json:
        """The provider's Account."""
        plan = self.config.plan
        return {
            "accountId": self.id,
            "name": self.config.name,
            "billingUrl": "https://billing.example.com/",
            "freeTimeUsed": "0s",
            "freeTimeRemaining": "0s",
            "hasActiveSubscription": plan.name not in ("free", "payg"),
            "subscriptionTier": plan.name,
            "subscriptionCadence": "MONTHLY",
            "subscriptionExpiration": None,
            "subscriptionScheduledUpdate": None,
            "subscriptionRenewal": None,
            "activeCalls": self.live,
            "allowedConcurrentCalls": plan.max_concurrent,
            "allowedVoices": None,
            "allowedCorpora": None,
        }


class Accounts:
    """All of them, by key."""

    def __init__(self) -> None:
        self._by_key: dict[str, Account] = {}

    def configure(self, configs: Iterable[AccountConfig], seed: int) -> None:
        """Adds, changes and removes accounts; one that stays keeps its calls."""
        before = self._by_key
        self._by_key = {}
        for config in configs:
            account = before.get(config.api_key)
            if account is None:
                account = Account(config, seed)
            elif account.config != config:
                account.configure(config, seed)
            self._by_key[config.api_key] = account

    def of(self, key: str | None, refusals: Refusals) -> Account:
        """The account of this key. Raises Refusal 401 or 403."""
        if key is None:
            raise detail(refusals.rejected_key_status, "Authentication credentials were not provided.")
        if account := self._by_key.get(key):
            return account
        raise detail(refusals.rejected_key_status, "Invalid API key")
