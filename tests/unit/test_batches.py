from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic_core import to_json

from shared.batches import BatchQuery, BatchReference, Cancellation, ContactQuery
from shared.errors import BadRequestError
from shared.inputs import Input, parse_json, validate
from shared.new_batches import NewBatch

ID = "5f9f1b7e-4d1b-4a53-9a3f-1d2c3b4a5f60"
BATCH: dict[str, Any] = {
    "agent_mapping_id": ID,
    "campaign_id": ID,
    "from_number": "+12125550199",
    "contacts": [{"phone_number": "+12135550123"}],
}


def new_batch(**fields: object) -> NewBatch:
    return validate(NewBatch, {**BATCH, **fields})


def problem_of(model: type[Input], given: dict[str, Any]) -> str:
    with pytest.raises(BadRequestError) as refused:
        validate(model, given)
    return str(refused.value)


def test_what_is_not_sent_has_its_default() -> None:
    batch = new_batch()

    assert (batch.calls_per_minute, batch.max_concurrent) == (30, 10)
    assert (batch.scheduled_for, batch.name, batch.retry, batch.calling_hours) == (None, None, None, None)


@pytest.mark.parametrize("field", BATCH)
def test_what_a_batch_is_made_of_must_be_sent(field: str) -> None:
    assert problem_of(NewBatch, {**BATCH, field: None}) == f"{field} is missing"
    assert problem_of(NewBatch, {name: BATCH[name] for name in BATCH if name != field}) == f"{field} is missing"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"agent_mapping_id": "agent_1"}, "agent_mapping_id must be a UUID"),
        ({"from_number": "2125550199"}, "from_number must be in E.164 form, such as +12135550123"),
        ({"from_number": "+1 212 555 0199"}, "from_number must be in E.164 form, such as +12135550123"),
        ({"from_number": 12125550199}, "from_number must be a string"),
        ({"contacts": []}, "contacts must hold at least 1 entry"),
        ({"contacts": BATCH["contacts"] * 10_001}, "contacts must hold at most 10,000 entries"),
        ({"contacts": {"phone_number": "+12135550123"}}, "contacts must be a list"),
        ({"calls_per_minute": 0}, "calls_per_minute must be at least 1"),
        ({"calls_per_minute": 30.5}, "calls_per_minute must be a whole number"),
        ({"calls_per_minute": None}, "calls_per_minute is missing"),
        ({"max_concurrent": -1}, "max_concurrent must be at least 1"),
        ({"max_concurrent": 2**40}, "max_concurrent must be at most 100,000"),
        ({"name": "x" * 256}, "name must be at most 255 characters long"),
        ({"retry": []}, "retry must be an object"),
        ({"retry": {"max_attempts": 12}}, "retry.max_attempts must be at most 11"),
        ({"retry": {"delay_minutes": -0.5}}, "retry.delay_minutes must be at least 0"),
        ({"retry": {"delay_minutes": 10_081}}, "retry.delay_minutes must be at most 10,080"),
        ({"retry": {"growth": 0.5}}, "retry.growth must be at least 1"),
        ({"retry": {"on": ["voicemail"]}}, "retry.on[0] must be one of 'no_answer', 'busy', 'dropped' or 'error'"),
        ({"retry": {"tries": 3}}, "retry.tries is not a known field"),
        ({"calling_hours": []}, "calling_hours must be an object"),
        ({"forecast": True}, "forecast is not a known field"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(fields: dict[str, Any], sentence: str) -> None:
    assert problem_of(NewBatch, {**BATCH, **fields}) == sentence


@pytest.mark.parametrize("retry", [{}, {"max_attempts": 5}, {"delay_minutes": 0.05, "growth": 1, "on": []}])
def test_of_a_retry_rule_any_part_may_be_sent(retry: dict[str, Any]) -> None:
    rule = new_batch(retry=retry).retry

    assert rule is not None
    assert rule.model_dump(exclude_none=True) == retry


def test_calling_hours_may_be_null() -> None:
    assert new_batch(calling_hours=None).calling_hours is None


@pytest.mark.parametrize("written", ["2099-01-16T09:00:00Z", "2099-01-16T04:00:00-05:00", "20990116T090000+0000"])
def test_a_batch_may_be_scheduled(written: str) -> None:
    assert new_batch(scheduled_for=written).scheduled_for == datetime(2099, 1, 16, 9, tzinfo=UTC)


def test_a_repeated_body_means_the_same_at_any_time() -> None:
    written = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()

    assert new_batch(scheduled_for=written).scheduled_for == datetime.fromisoformat(written)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("2099-01-16T09:00:00", "must have a UTC offset, such as 2030-01-16T09:00:00Z or 2030-01-16T09:00:00-05:00"),
        ("2099-01-16", "must have a UTC offset, such as 2030-01-16T09:00:00Z or 2030-01-16T09:00:00-05:00"),
        ("tomorrow", "must be an ISO 8601 time, such as 2030-01-16T09:00:00Z"),
        ("2099-02-30T09:00:00Z", "must be an ISO 8601 time, such as 2030-01-16T09:00:00Z"),
        ("", "must be an ISO 8601 time, such as 2030-01-16T09:00:00Z"),
        ("9999-12-31T23:59:59-14:00", "must be an ISO 8601 time, such as 2030-01-16T09:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "must be an ISO 8601 time, such as 2030-01-16T09:00:00Z"),
        (4072237200, "must be an ISO 8601 time, such as 2030-01-16T09:00:00Z"),
    ],
)
def test_another_time_is_refused(written: object, sentence: str) -> None:
    assert problem_of(NewBatch, {**BATCH, "scheduled_for": written}) == f"scheduled_for {sentence}"


def test_the_last_moment_of_the_calendar_is_a_time_like_any_other() -> None:
    assert new_batch(scheduled_for="9999-12-31T23:59:59Z").scheduled_for is not None


def test_a_time_is_one_in_utc_whatever_its_offset() -> None:
    """PostgreSQL reads no offset beyond 16 hours."""
    meant = datetime(2099, 1, 17, 8, 22, tzinfo=UTC)

    found = new_batch(scheduled_for="2099-01-16T09:00:00-23:22").scheduled_for
    assert found is not None
    assert found.isoformat() == meant.isoformat()


@pytest.mark.parametrize("model", [BatchReference, Cancellation, ContactQuery])
def test_a_batch_is_named_by_its_id(model: type[Input]) -> None:
    assert problem_of(model, {}) == "batch_id is missing"
    assert problem_of(model, {"batch_id": "batch-7"}) == "batch_id must be a UUID"


def test_hang_up_is_a_boolean() -> None:
    assert problem_of(Cancellation, {"batch_id": ID, "hang_up": 1}) == "hang_up must be true or false"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"status": "running"}, "status must be one of 'draft', 'pending', 'scheduled', 'processing', 'paused', 'completed', 'failed' or 'cancelled'"),  # noqa: E501
        ({"campaign_id": "q1"}, "campaign_id must be a UUID"),
        ({"limit": "-1"}, "limit must be a whole number of at least 0"),
        ({"offset": "ten"}, "offset must be a whole number of at least 0"),
        ({"page": "2"}, "page is not a known field"),
    ],
)  # fmt: skip
def test_a_bad_list_query_is_refused(query: dict[str, Any], sentence: str) -> None:
    assert problem_of(BatchQuery, query) == sentence


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"contact_status": "dialing"}, "contact_status must be one of 'pending', 'queued', 'in_progress', 'completed', 'failed' or 'skipped'"),  # noqa: E501
        ({"contact_limit": "all"}, "contact_limit must be a whole number of at least 0"),
        ({"contact_cursor": "abc"}, "contact_cursor must be a whole number of at least 0"),
        ({"contact_offset": "0", "contact_cursor": "5"}, "Send contact_offset or contact_cursor, not both"),
    ],
)  # fmt: skip
def test_a_bad_contact_query_is_refused(query: dict[str, Any], sentence: str) -> None:
    assert problem_of(ContactQuery, {"batch_id": ID, **query}) == sentence


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


@hypothesis_settings(max_examples=100, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(sorted(NewBatch.model_fields)), JSON), contact=JSON)
def test_any_body_is_a_batch_that_can_be_sent_on_or_a_bad_request(changes: dict[str, Any], contact: Any) -> None:
    body = {**BATCH, "contacts": [{**BATCH["contacts"][0], "custom_data": contact}], **changes}
    try:
        batch = validate(NewBatch, parse_json(json.dumps(body).encode()))
    except BadRequestError:
        return
    assert to_json(batch)
