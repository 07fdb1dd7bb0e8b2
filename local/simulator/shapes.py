"""What the API accepts, as strict models: a field that its documents do not name is an error."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, LiteralString, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr
from pydantic import model_validator as checked
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from local.simulator.durations import DURATION, seconds

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SIP = re.compile(r"sips?:([^\s@<>]+@)?[A-Za-z0-9.\-]+(:[0-9]+)?(;[^\s<>]*)?")


def _bad(message: LiteralString, **context: Any) -> NoReturn:
    raise PydanticCustomError("invalid", message, context)


def _positive(text: str) -> str:
    return text if seconds(text) > 0 else _bad("Must be longer than 0s.")


Duration = Annotated[StrictStr, Field(pattern=DURATION)]
Limit = Annotated[Duration, AfterValidator(_positive)]
Secret = Annotated[StrictStr, Field(max_length=120)]
Event = Literal["call.started", "call.joined", "call.ended", "call.billed"]


def _phone(text: str) -> str:
    return text if _E164.fullmatch(text) else _bad("'{to}' is not a valid phone number in E.164 format.", to=text)


def _sip(text: str) -> str:
    return text if _SIP.fullmatch(text) else _bad("'{to}' is not a SIP URI; phone numbers are not allowed.", to=text)


def _phone_or_sip(text: str) -> str:
    return text if _SIP.fullmatch(text) else _phone(text)


def _several(text: str) -> str:
    return "<".join(_phone_or_sip(part) for part in text.split("<"))


def _url(text: str) -> str:
    if not re.match(r"^https?://[^/\s]+", text):
        _bad("Enter a valid URL.")
    return text


Url = Annotated[StrictStr, AfterValidator(_url)]


class Model(BaseModel):
    """camelCase outside, unknown fields refused, nothing coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


def _absent() -> Any:
    # Absent is fine, null is not: no field of a request is nullable.
    return Field(default=None)


class TwilioOutgoing(Model):
    to: Annotated[str, AfterValidator(_phone_or_sip)]
    from_: str = Field(alias="from")
    additional_params: dict[str, Any] = _absent()


class TelnyxOutgoing(TwilioOutgoing):
    to: Annotated[str, AfterValidator(_phone)]


class PlivoOutgoing(TwilioOutgoing):
    to: Annotated[str, AfterValidator(_several)]
    from_: Annotated[str, AfterValidator(_phone)] = Field(alias="from")


class SipOutgoing(Model):
    to: Annotated[str, AfterValidator(_sip)]
    from_: str = Field(default="", alias="from")
    username: str = _absent()
    password: str = _absent()


class DtmfText(Model):
    text: str = _absent()
    urgency: Literal["URGENCY_UNSPECIFIED", "URGENCY_IMMEDIATE", "URGENCY_SOON", "URGENCY_LATER"] = _absent()


class Dtmf(Model):
    ignore: bool = _absent()
    user_text_message: DtmfText = _absent()


class Exotel(Model):
    dtmf_handling: Dtmf = _absent()


class Twilio(Exotel):
    outgoing: TwilioOutgoing = _absent()


class Telnyx(Exotel):
    outgoing: TelnyxOutgoing = _absent()


class Plivo(Exotel):
    outgoing: PlivoOutgoing = _absent()


class Sip(Model):
    incoming: dict[str, Any] = _absent()
    outgoing: SipOutgoing = _absent()

    @checked(mode="after")
    def _one_way(self) -> Sip:
        if len(self.model_fields_set) != 1:
            _bad("Exactly one of incoming or outgoing must be set.")
        return self


class WebRtc(Model):
    data_messages: dict[str, bool] = _absent()


class WebSocket(WebRtc):
    input_sample_rate: int
    output_sample_rate: int = _absent()
    client_buffer_size_ms: int = _absent()
    media_idle_timeout: Duration = _absent()


class Medium(Model):
    web_rtc: WebRtc = _absent()
    twilio: Twilio = _absent()
    telnyx: Telnyx = _absent()
    plivo: Plivo = _absent()
    exotel: Exotel = _absent()
    sip: Sip = _absent()
    server_web_socket: WebSocket = _absent()

    @checked(mode="after")
    def _at_most_one(self) -> Medium:
        if len(self.model_fields_set) > 1:
            _bad("At most one call medium may be set.")
        return self


class Fallback(Model):
    delay: Duration = _absent()
    text: str = _absent()
    prompt: str = _absent()


class UserGreeting(Model):
    fallback: Fallback = _absent()


class AgentGreeting(Fallback):
    uninterruptible: bool = _absent()


class FirstSpeaker(Model):
    user: UserGreeting = _absent()
    agent: AgentGreeting = _absent()

    @checked(mode="after")
    def _one(self) -> FirstSpeaker:
        if len(self.model_fields_set) != 1:
            _bad("Exactly one of user or agent should be set.")
        return self


class Callback(Model):
    url: Url
    secrets: list[str] = _absent()


class Callbacks(Model):
    joined: Callback = _absent()
    ended: Callback = _absent()
    billed: Callback = _absent()


class TimedMessage(Model):
    duration: Duration = _absent()
    message: str = _absent()
    end_behavior: Literal["END_BEHAVIOR_UNSPECIFIED", "END_BEHAVIOR_HANG_UP_SOFT", "END_BEHAVIOR_HANG_UP_STRICT"] = (
        _absent()
    )


class Vad(Model):
    turn_endpoint_delay: Duration = _absent()
    minimum_turn_duration: Duration = _absent()
    minimum_interruption_duration: Duration = _absent()
    frame_activation_threshold: Annotated[float, Field(ge=0.1, le=1)] = _absent()


def _not_reserved(metadata: dict[str, str]) -> dict[str, str]:
    reserved = next((key for key in metadata if key.startswith("ultravox.")), None)
    if reserved is not None:
        _bad("Key '{key}' may not start with 'ultravox.'.", key=reserved)
    return metadata


class StartRequest(Model):
    """What both ways to create a call share."""

    medium: Medium = _absent()
    metadata: Annotated[dict[str, str], AfterValidator(_not_reserved)] = _absent()
    join_timeout: Limit = _absent()
    max_duration: Limit = _absent()
    recording_enabled: bool = _absent()
    first_speaker_settings: FirstSpeaker = _absent()
    initial_messages: list[dict[str, Any]] = _absent()
    initial_output_medium: Literal["MESSAGE_MEDIUM_UNSPECIFIED", "MESSAGE_MEDIUM_VOICE", "MESSAGE_MEDIUM_TEXT"] = (
        _absent()
    )
    callbacks: Callbacks = _absent()
    data_connection: dict[str, Any] = _absent()
    experimental_settings: dict[str, Any] = _absent()
    shared_secrets: list[str] = _absent()
    voice: str = _absent()
    voice_overrides: dict[str, Any] = _absent()
    retention_policy: Literal[
        "CALL_RETENTION_POLICY_UNSPECIFIED", "CALL_RETENTION_POLICY_RETAIN", "CALL_RETENTION_POLICY_AUTO_DELETE"
    ] = _absent()


class StartAgentCall(StartRequest):
    template_context: dict[str, Any] = _absent()
    tool_overrides: dict[str, Any] = _absent()
    agent_id: str = _absent()


class StartCall(StartRequest):
    system_prompt: str = _absent()
    temperature: Annotated[float, Field(ge=0, le=1)] = _absent()
    model: str = _absent()
    external_voice: dict[str, Any] = _absent()
    language_hint: Annotated[str, Field(max_length=16)] = _absent()
    time_exceeded_message: str = _absent()
    inactivity_messages: list[TimedMessage] = _absent()
    selected_tools: list[dict[str, Any]] = _absent()
    first_speaker: Literal["FIRST_SPEAKER_UNSPECIFIED", "FIRST_SPEAKER_AGENT", "FIRST_SPEAKER_USER"] = _absent()
    transcript_optional: bool = _absent()
    vad_settings: Vad = _absent()
    initial_state: dict[str, Any] = _absent()


class CallTemplate(Model):
    """The part of an agent's template that the simulator acts on."""

    model_config = ConfigDict(extra="allow")
    medium: Medium = _absent()
    join_timeout: Limit = _absent()
    max_duration: Limit = _absent()
    context_schema: dict[str, Any] = _absent()


class AgentRequest(Model):
    name: Annotated[str, Field(max_length=64)] = _absent()
    call_template: CallTemplate = _absent()


class WebhookRequest(Model):
    url: Annotated[Url, Field(max_length=200)]
    events: list[Event]
    agent_id: str | None = None
    secrets: list[Secret] = _absent()


class WebhookPatch(WebhookRequest):
    url: Annotated[Url, Field(max_length=200)] = _absent()
    events: list[Event] = _absent()


class ThrottleRule(Model):
    max_calls: Annotated[int, Field(ge=1, le=100)]
    window_seconds: Annotated[int, Field(ge=1, le=86_400)]


class ThrottleRequest(Model):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    rules: Annotated[list[ThrottleRule], Field(min_length=1)]


class ThrottlePatch(ThrottleRequest):
    name: Annotated[str, Field(min_length=1, max_length=64)] = _absent()
    rules: Annotated[list[ThrottleRule], Field(min_length=1)] = _absent()


class DataMessage(Model):
    model_config = ConfigDict(extra="allow")
    type: str
