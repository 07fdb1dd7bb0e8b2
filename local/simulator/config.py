"""What can be set on the simulator, by `--config` or `PUT /simulator/config`. All times are in seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat

from local.simulator.people import Outcome  # pydantic reads it at run time
from local.simulator.shapes import CallTemplate


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the first bound is above the second")
    return bounds


def _possible(weights: dict[Outcome, float]) -> dict[Outcome, float]:
    if not any(weights.values()):
        raise ValueError("no outcome is possible")
    return weights


def _template(template: dict[str, Any]) -> dict[str, Any]:
    CallTemplate.model_validate(template)
    return template


Between = Annotated[tuple[NonNegativeFloat, NonNegativeFloat], AfterValidator(_ordered)]
Rate = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """Unknown members are refused: a misspelt switch must not pass for a switch that is off."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class People(Model):
    """Ring and talk times are drawn evenly between the bounds; outcomes by weight."""

    ring_seconds: Between = (2.0, 8.0)
    talk_seconds: Between = (15.0, 90.0)
    outcomes: Annotated[dict[Outcome, NonNegativeFloat], AfterValidator(_possible)] = {
        "answered": 0.7,
        "no_answer": 0.2,
        "busy": 0.07,
        "dropped": 0.03,
    }
    no_answer_seconds: NonNegativeFloat | None = None
    """When the carrier gives up ringing; None: at the call's join timeout."""
    dropped_after_seconds: NonNegativeFloat = 3.0


class Plan(Model):
    """None means no limit. `name` is shown as the subscription tier."""

    name: str = "scale"
    calls_per_second: int | None = 30
    calls_per_minute: int | None = 360
    max_concurrent: int | None = None
    api_requests_per_second: int | None = None


class AgentConfig(Model):
    """Named as the provider names it, so that an agent's JSON can be pasted."""

    agent_id: str = Field(alias="agentId")
    name: str = "agent"
    call_template: Annotated[dict[str, Any], AfterValidator(_template)] = Field(default={}, alias="callTemplate")


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


class PastConfig(Model):
    """Calls that ended long ago, generated when they are asked for."""

    count: int = Field(default=0, ge=0)
    begin: AwareDatetime = Field(default=_day(2025, 2, 1), alias="from")
    end: AwareDatetime = Field(default=_day(2026, 2, 1), alias="to")
    malformed_rate: Rate = 0.0


class AccountConfig(Model):
    """`account_id` is made from the key when absent."""

    api_key: str
    account_id: str = ""
    name: str = "account"
    plan: Plan = Plan()
    agents: tuple[AgentConfig, ...] = ()
    past: PastConfig = PastConfig()

    @property
    def id(self) -> str:
        """The account's UUID."""
        return self.account_id or str(uuid5(NAMESPACE_URL, self.api_key))


class Webhooks(Model):
    """How events are delivered. Delays are drawn per delivery, so a wide range also reorders."""

    enabled: bool = True
    duplicate_rate: Rate = 0.0
    lose_rate: Rate = 0.0
    delay_seconds: Between = (0.0, 0.0)
    retries: int = Field(default=10, ge=0)
    retry_first_seconds: NonNegativeFloat = 30.0
    """The delay before the first retry; every further one waits twice as long."""
    in_flight: int = Field(default=32, ge=1, le=256)
    timeout_seconds: float = Field(default=10.0, gt=0)


class Refusals(Model):
    """The shape of refusals that the provider's documents leave open."""

    rejected_key_status: Literal[401, 403] = 403
    throttled_status: Literal[429, 503] = 429
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    concurrency_retry_after: int = Field(default=1, ge=1)


class Config(Model):
    """Everything."""

    seed: int = 1
    accounts: tuple[AccountConfig, ...] = ()
    people: People = People()
    people_by_number: dict[str, dict[str, Any]] = {}
    """Patches of `people` for single numbers, or for `*` and the end of a number (`*0199`)."""
    webhooks: Webhooks = Webhooks()
    refusals: Refusals = Refusals()
    sip_details: Literal["sip_only", "always"] = "sip_only"
    billed_after_seconds: NonNegativeFloat = 1.0
    page_latency_seconds: NonNegativeFloat = 0.0
    page_size: int = Field(default=20, ge=1)
    page_size_max: int = Field(default=100, ge=1)

    def people_for(self, number: str) -> People:
        """How whoever answers this number behaves."""
        if not self.people_by_number:
            return self.people
        patch = self.people_by_number.get(number) or self._by_ending(number)
        return People.model_validate(_merged(self.people, patch)) if patch else self.people

    def _by_ending(self, number: str) -> dict[str, Any] | None:
        endings = (key for key in self.people_by_number if key.startswith("*") and number.endswith(key[1:]))
        return next((self.people_by_number[key] for key in endings), None)

    def patched(self, patch: dict[str, Any]) -> Config:
        """This with a patch merged in: sections member by member, while lists and maps (accounts, outcomes,
        people_by_number) are replaced whole. Raises pydantic.ValidationError."""
        return Config.model_validate(_merged(self, patch))


def _merged(model: Model, patch: dict[str, Any]) -> dict[str, Any]:
    members = {field.alias or name: name for name, field in type(model).model_fields.items()}
    result = {shown: getattr(model, name) for shown, name in members.items()}
    for name, value in patch.items():
        before = result.get(name)
        result[name] = _merged(before, value) if isinstance(before, Model) and isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
    return result
