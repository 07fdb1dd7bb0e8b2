"""One call, kept small: half a million of them fit in memory. Its full JSON is made on demand by `rendering`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.simulator.accounts import Account, Agent
    from local.simulator.people import Course, Outcome

Settings = dict[str, Any]


class Call:
    """`settings` is what was asked for, less what differs from call to call (metadata, number, context); equal settings
    are one shared object. Times are epoch seconds, None until it happens."""

    __slots__ = (
        "account",
        "agent",
        "billed",
        "course",
        "created",
        "deleted",
        "due",
        "end_reason",
        "ended",
        "id",
        "index",
        "joined",
        "metadata",
        "nth",
        "outcome",
        "settings",
        "started",
        "to",
    )

    def __init__(
        self,
        index: int,
        call_id: str,
        account: Account,
        agent: Agent | None,
        to: str | None,
        metadata: dict[str, str],
        settings: Settings,
        created: float,
    ) -> None:
        self.index = index
        self.id = call_id
        self.account = account
        self.agent = agent
        self.to = to
        self.metadata = metadata
        self.settings = settings
        self.created = created
        self.started = 0.0
        """time.monotonic() at acceptance."""
        self.nth = 1
        self.course: Course | None = None
        """Only while live."""
        self.due = 0.0
        """The instant of its next step on the monotonic clock; a timer for another instant is out of date."""
        self.joined: float | None = None
        self.ended: float | None = None
        self.billed: float | None = None
        self.deleted: float | None = None
        self.end_reason: str | None = None
        self.outcome: Outcome | None = None

    @property
    def medium(self) -> str | None:
        """`twilio`, `sip` …; None for the default medium."""
        return next(iter(self.settings.get("medium", ())), None)

    @property
    def number(self) -> str | None:
        """The phone number called, also inside a SIP URI; None if nobody is called."""
        return number_of(self.to)

    @property
    def agent_id(self) -> str | None:
        """The agent's UUID."""
        return self.agent.id if self.agent else None

    @property
    def talked(self) -> float:
        """Seconds from joined to ended."""
        return self.ended - self.joined if self.joined is not None and self.ended is not None else 0.0

    def setting(self, name: str, default: Any) -> Any:
        """What this call, else its agent's template, says."""
        if name in self.settings:
            return self.settings[name]
        return self.agent.template.get(name, default) if self.agent else default


def number_of(to: str | None) -> str | None:
    """`+12135550123` of itself and of `sip:+12135550123@carrier.example`."""
    if to is None or not to.startswith("sip"):
        return to
    user = to.partition(":")[2].partition("@")[0]
    return user if user.startswith("+") else to
