"""Everything the simulator knows, and how it starts anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from local.simulator.accounts import Accounts
from local.simulator.calls import Calls
from local.simulator.faults import Faults
from local.simulator.webhooks import Webhooks

if TYPE_CHECKING:
    from local.simulator.call import Call
    from local.simulator.config import AccountConfig, Config


class World:
    """The provider as it is now."""

    def __init__(self, config: Config) -> None:
        self.webhooks = Webhooks(config)
        self._set(config)
        self.reset()

    def reset(self) -> None:
        """Forgets calls, counts, faults and whatever was made through the API; the configuration stays."""
        if hasattr(self, "calls"):
            self.calls.timers.clear()
            self.webhooks.forget()
        self.faults = Faults()
        self.accounts = Accounts()
        self.accounts.configure(self.config.accounts, self.config.seed)
        self.calls = self._calls()

    def configure(self, config: Config) -> None:
        """Takes a new configuration; calls under way keep the course they have."""
        self._set(config)
        self.calls.config = config
        self.accounts.configure(config.accounts, config.seed)

    def add_account(self, added: AccountConfig) -> None:
        """Adds an account, or changes the one with its key."""
        others = (account for account in self.config.accounts if account.api_key != added.api_key)
        self.configure(self.config.model_copy(update={"accounts": (*others, added)}))

    def now(self) -> float:
        """The monotonic time, with everything done that was due until then."""
        now = time.monotonic()
        self.calls.timers.run_due(now)
        return now

    def _set(self, config: Config) -> None:
        self.config = self.webhooks.config = config

    def _calls(self) -> Calls:
        def emit(event: str, call: Call) -> None:
            self.webhooks.emit(calls, event, call)

        calls = Calls(self.config, emit)
        return calls
