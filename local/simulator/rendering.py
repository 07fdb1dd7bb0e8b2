"""A call as the API shows it: the Call object, its tombstone, its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.simulator.chance import chances
from local.simulator.durations import billed_seconds, duration, timestamp
from local.simulator.past import early
from local.simulator.people import TERMINATIONS

if TYPE_CHECKING:
    from local.simulator.call import Call

Json = dict[str, Any]

_TEXT_SETTINGS = ("languageHint", "systemPrompt", "timeExceededMessage", "voice")
_OPTIONAL = {
    "vadSettings": "vadSettings",
    "externalVoice": "externalVoice",
    "voiceOverrides": "voiceOverrides",
    "dataConnection": "dataConnectionConfig",
    "callbacks": "callbacks",
}
_NOT_YET_IN_EARLY_2025 = (
    "agent",
    "agentId",
    "billedSideInputTokens",
    "billedSideOutputTokens",
    "experimentalSettings",
    "initialState",
    "requestContext",
    "sipDetails",
    "callbacks",
)
_LINES = (
    "Hello, do you have a minute?",
    "Yes, go ahead.",
    "May I send you our offer?",
    "Please do.",
    "Thank you, and goodbye.",
    "Goodbye.",
)


def call_json(call: Call, sip_details: str) -> Json:
    """The provider's Call. `sip_details` is the setting of that name."""
    result: Json = {
        "callId": call.id,
        "clientVersion": None,
        "created": timestamp(call.created),
        "joined": _moment(call.joined),
        "ended": _moment(call.ended),
        "endReason": call.end_reason,
        **_billing(call),
        **_settings(call),
        **_summaries(call),
        "joinUrl": _join_url(call),
        "medium": _medium(call),
        "agent": {"agentId": call.agent.id, "name": call.agent.name} if call.agent else None,
        "agentId": call.agent_id,
        "metadata": _metadata(call),
        "requestContext": {},
        "sipDetails": _sip_details(call) if call.medium == "sip" or sip_details == "always" else None,
    }
    if call.index < 0:  # of the past
        _age(call, result)
    return result


def tombstone_json(call: Call) -> Json:
    """The provider's CallTombstone of a deleted call."""
    return {
        "callId": call.id,
        "accountId": call.account.id,
        "created": timestamp(call.created),
        "deletionTime": _moment(call.deleted),
        "joined": _moment(call.joined),
        "ended": _moment(call.ended),
        "maxDuration": call.setting("maxDuration", "3600s"),
        "endReason": call.end_reason,
        "recordingEnabled": call.setting("recordingEnabled", False),
        "hadSummary": call.joined is not None,
    }


def messages(call: Call, now: float) -> list[Json]:
    """The provider's Messages: what has been said until `now` (epoch seconds), one line every few seconds."""
    if call.joined is None:
        return []
    spoken = (now if call.ended is None else call.ended) - call.joined
    stage = f"{call.id[:-12]}{call.id[:12].replace('-', '0')}"
    pace = 2 + 3 * chances(call.id)[0]
    lines = _LINES[: min(len(_LINES), 1 + int(spoken / pace))]
    said = [_message(stage, index, text, index * pace) for index, text in enumerate(lines)]
    if call.outcome == "voicemail":
        tool = {
            "role": "MESSAGE_ROLE_TOOL_CALL",
            "toolName": "leaveVoicemail",
            "text": '{"message": "Please call back."}',
        }
        said.append({**_message(stage, len(said), "", spoken), **tool, "invocationId": "voicemail-1"})
    return said


def _message(stage: str, index: int, text: str, start: float) -> Json:
    span = {"start": duration(start), "end": duration(start + 1.5)}
    return {
        "role": "MESSAGE_ROLE_USER" if index % 2 else "MESSAGE_ROLE_AGENT",
        "text": text,
        "medium": "MESSAGE_MEDIUM_VOICE",
        "callStageMessageIndex": index,
        "callStageId": stage,
        "timespan": span,
        "wallClockTimespan": span,
    }


def _moment(epoch: float | None) -> str | None:
    return None if epoch is None else timestamp(epoch)


def _settings(call: Call) -> Json:
    setting = call.setting
    policy = setting("retentionPolicy", None)
    by_user = "user" in setting("firstSpeakerSettings", {})
    result: Json = {
        "firstSpeaker": "FIRST_SPEAKER_USER" if by_user else "FIRST_SPEAKER_AGENT",
        "firstSpeakerSettings": setting("firstSpeakerSettings", {"agent": {}}),
        "inactivityMessages": setting("inactivityMessages", []),
        "initialOutputMedium": setting("initialOutputMedium", "MESSAGE_MEDIUM_VOICE"),
        "joinTimeout": setting("joinTimeout", "30s"),
        "maxDuration": setting("maxDuration", "3600s"),
        "model": setting("model", "ultravox-v0.7"),
        "recordingEnabled": setting("recordingEnabled", False),
        "retentionPolicy": "auto_delete" if policy and policy.endswith("AUTO_DELETE") else "retain" if policy else None,
        "temperature": setting("temperature", 0.0),
        "transcriptOptional": setting("transcriptOptional", True),
        "experimentalSettings": setting("experimentalSettings", None),
        "initialState": setting("initialState", {}),
    }
    for name in _TEXT_SETTINGS:
        result[name] = setting(name, None)
    for name, shown in _OPTIONAL.items():
        if (value := setting(name, None)) is not None:
            result[shown] = value
    return result


def _billing(call: Call) -> Json:
    if call.billed is None:
        status, billed = "BILLING_STATUS_PENDING", None
    else:
        billed = duration(billed_seconds(call.talked))
        status = "BILLING_STATUS_BILLED"
        if call.end_reason == "system_error":
            status = "BILLING_STATUS_FREE_SYSTEM_ERROR"
        elif call.joined is None:
            status = "BILLING_STATUS_FREE_ZERO_EFFECTIVE_DURATION"
    return {
        "billedDuration": billed,
        "billedSideInputTokens": None,
        "billedSideOutputTokens": None,
        "billingStatus": status,
    }


def _summaries(call: Call) -> Json:
    if call.ended is None or call.joined is None:
        return {"shortSummary": None, "summary": None}
    short = (
        "The agent left a voicemail." if call.outcome == "voicemail" else "The person answered and talked to the agent."
    )
    return {"shortSummary": short, "summary": f"{short} The conversation took {call.talked:.0f} seconds."}


def _join_url(call: Call) -> str | None:
    if call.medium == "sip" or call.ended is not None:
        return None
    return f"wss://voice.example.com/calls/{call.id}"


def _medium(call: Call) -> Json:
    medium: Json = call.setting("medium", {"webRtc": {}})
    if call.to is None:
        return medium
    ((provider, details),) = medium.items()
    return {provider: {**details, "outgoing": {"to": call.to, **details.get("outgoing", {})}}}


def _metadata(call: Call) -> dict[str, str]:
    if call.joined is None or call.medium not in ("twilio", "sip"):
        return call.metadata
    plain = call.id.replace("-", "")
    system = (
        {"ultravox.twilio.call_sid": f"CA{plain}", "ultravox.twilio.stream_sid": f"MZ{plain}"}
        if call.medium == "twilio"
        else {"ultravox.sip.caller_id": str(call.setting("medium", {})["sip"].get("outgoing", {}).get("from", ""))}
    )
    return {**call.metadata, **system}


def _sip_details(call: Call) -> Json:
    if call.ended is None:
        return {"billedDuration": None, "terminationReason": None}
    # SIP minutes are billed from dialling on, answered or not.
    billed = duration(billed_seconds(call.ended - call.created)) if call.billed is not None else None
    reason = TERMINATIONS[call.outcome] if call.outcome else None
    return {"billedDuration": billed, "terminationReason": reason}


def _age(call: Call, result: Json) -> None:
    if early(call):
        for name in _NOT_YET_IN_EARLY_2025:
            result.pop(name, None)
        result["errorCount"] = 0
    if call.account.past.malformed(call):
        result["created"], result["metadata"] = "yesterday", ["not", "a", "map"]
