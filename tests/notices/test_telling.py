"""What receivers are sent: each notice at least once, in the order of its batch, signed, and no more than is wise."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.dialer.harness import until
from tests.notices.harness import Receiver, Told, run, worker
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Asked, Served
    from tests.sql.world import World

NOTHING = {"processed": 0, "message": "No notices to send"}
SENT = "notice_sent"


def events(world: World, contacts: int = 1) -> list[str]:
    """A batch that is started, paused, resumed and cancelled; the notices of it."""
    batch_id = world.processing(contacts)
    world.pause(batch_id)
    world.resume(batch_id)
    world.cancel(batch_id)
    return ["batch.started", "batch.paused", "batch.cancelled", *["contact.finished"] * contacts]


def test_an_agency_is_told_of_its_batch_from_its_start_to_its_end(told: Told, receiver: Receiver) -> None:
    world = told.world
    batch_id = world.processing(
        [{"phone_number": "+12135550123", "first_name": "Ada", "custom_data": {"crm": "7"}}], name="Q1"
    )
    world.finish(world.ringing(), talk_seconds=42)
    (contact,) = world.contacts(batch_id)

    assert run() == {"delivered": 3, "failed": 0, "waiting": 0}

    assert receiver.types == ["batch.started", "contact.finished", "batch.completed"]
    started, finished, completed = (notice["data"] for notice in receiver.got)
    assert (started["batch_id"], started["batch_name"]) == (str(batch_id), "Q1")
    assert finished == {
        "batch_id": str(batch_id),
        "batch_name": "Q1",
        "contact_id": contact["id"],
        "call_id": contact["call_id"],
        "phone_number": "+12135550123",
        "first_name": "Ada",
        "last_name": None,
        "custom_data": {"crm": "7"},
        "status": "completed",
        "outcome": "answered",
        "reason": contact["reason"],
        "attempts": 1,
        "duration_seconds": 42,
        "completed_at": finished["completed_at"],
    }
    assert (completed["status"], completed["completed"], completed["total_contacts"]) == ("completed", 1, 1)
    assert run() == NOTHING


def test_why_a_batch_was_paused_is_in_its_notice(told: Told, receiver: Receiver) -> None:
    told.world.processing()
    told.world.settle(told.world.dial()[0], "account_refused", reason="The key was refused")

    run()

    (paused,) = (notice["data"] for notice in receiver.got if notice["type"] == "batch.paused")
    assert "The key was refused" in paused["reason"]


def test_a_receiver_that_answers_500_is_asked_again_and_what_comes_later_waits(told: Told, receiver: Receiver) -> None:
    receiver.replies = [(500, b"oops")]
    expected = events(told.world)

    assert run() == {"delivered": 0, "failed": 0, "waiting": 1}
    assert receiver.types == expected[:1]
    assert told.notices()[0]["last_error"] == "The endpoint answered 500"
    assert run() == NOTHING  # it is not yet due

    told.make_due()
    run()

    assert receiver.types == [expected[0], *expected]
    assert receiver.ids[0] == receiver.ids[1]
    assert {status for _, status, _ in told.statuses()} == {"delivered"}


def test_a_batch_whose_receiver_fails_holds_up_no_other_batch(told: Told, receiver: Receiver, world: World) -> None:
    with serving(Receiver(replies=[(500, b"")] * 9).answer) as failing:
        first = Told(type(world)(world.connection))
        first.set_endpoint(failing.url)
        events(first.world)
        expected = events(told.world)

        run()

    assert receiver.types == expected
    assert [status for _, status, _ in first.statuses()] == ["waiting"] * 4


def test_a_receiver_that_hangs_keeps_no_other_waiting(told: Told, receiver: Receiver, world: World) -> None:
    over = threading.Event()

    def hang(_asked: Asked) -> tuple[int, bytes]:
        over.wait(30)
        return 204, b""

    with serving(hang) as hanging, ThreadPoolExecutor() as thread:
        slow = Told(type(world)(world.connection))
        slow.set_endpoint(hanging.url)
        slow.world.processing()
        expected = events(told.world, contacts=42)  # more than is claimed at once
        running = thread.submit(run)
        try:
            until(lambda: len(receiver.got) == len(expected))
            assert not running.done()
        finally:
            over.set()

        assert running.result() == {"delivered": len(expected) + 1, "failed": 0, "waiting": 0}


def test_pauses_between_attempts_grow(told: Told, receiver: Receiver) -> None:
    told.world.processing()
    waits: list[float] = []
    receiver.replies = [(500, b""), (500, b""), (500, b"")]

    for _ in range(3):
        run()
        waits.append(wait(told))
        told.make_due()

    assert [5 <= waits[0] <= 6, 300 <= waits[1] <= 331, 1800 <= waits[2] <= 1981] == [True] * 3


def test_a_pause_that_the_receiver_asks_for_is_kept(told: Told, receiver: Receiver, served: Served) -> None:
    told.world.processing()
    receiver.replies, served.headers = [(503, b"")], {"Retry-After": "600"}

    run()

    assert 600 <= wait(told) <= 661


def wait(told: Told) -> float:
    due = "select extract(epoch from min(next_attempt_at) - batchline.clock())::float"
    query = f"{due} from public.notices where agency_id = %s"
    row = told.world.connection.execute(query, [told.world.agency.id]).fetchone()
    assert row
    assert isinstance(row[0], float)
    return row[0] + 0.5  # what has passed since it was written


def test_after_ten_attempts_a_notice_is_given_up_seen_and_can_be_replayed(told: Told, receiver: Receiver) -> None:
    receiver.replies = [(500, b"")] * 10
    batch_id = told.world.processing()
    told.world.pause(batch_id)

    for _ in range(10):
        run()
        told.make_due()
    run()

    assert told.statuses() == [("batch.started", "failed", 10), ("batch.paused", "delivered", 1)]
    assert told.replay(batch_id) == 1
    assert run() == {"delivered": 1, "failed": 0, "waiting": 0}
    assert receiver.types[-1] == "batch.started"
    assert len(set(receiver.ids)) == 2


def test_a_delivered_notice_can_be_replayed_and_keeps_its_id(told: Told, receiver: Receiver) -> None:
    told.world.processing()
    run()

    assert told.replay(told.notices()[0]["batch_id"], told.notices()[0]["id"]) == 1
    run()

    assert receiver.types == ["batch.started"] * 2
    assert len(set(receiver.ids)) == 1


def test_a_receiver_that_hangs_is_left_after_the_time_out(
    told: Told, served: Served, change_settings: Callable[..., None]
) -> None:
    change_settings(NOTICE_TIMEOUT_SECONDS="0.3")
    over = threading.Event()

    def hang(_asked: Asked) -> tuple[int, bytes]:
        over.wait(30)
        return 204, b""

    served.answer = hang
    told.world.processing()

    assert run() == {"delivered": 0, "failed": 0, "waiting": 1}
    over.set()
    assert told.notices()[0]["last_error"] == "No answer within 0.3 s"


def test_a_receiver_that_breaks_the_connection_is_asked_again(told: Told, receiver: Receiver) -> None:
    receiver.replies = [None]
    told.world.processing()

    assert run() == {"delivered": 0, "failed": 0, "waiting": 1}
    assert told.notices()[0]["last_error"] == "The endpoint could not be reached (RemoteProtocolError)"


def test_redirects_are_not_followed(told: Told, receiver: Receiver, served: Served) -> None:
    with serving(lambda _asked: (204, b"")) as elsewhere:
        receiver.replies, served.headers = [(307, b"")], {"Location": elsewhere.url}
        told.world.processing()

        assert run() == {"delivered": 0, "failed": 0, "waiting": 1}

    assert elsewhere.asked == []
    assert told.notices()[0]["last_error"] == "The endpoint answered 307: redirects are not followed"


def test_an_answer_is_not_read_for_longer_than_it_takes_to_be_polite(told: Told, receiver: Receiver) -> None:
    receiver.replies = [(200, b"x" * 20_000_000)]
    told.world.processing()

    assert run() == {"delivered": 1, "failed": 0, "waiting": 0}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_that_is_not_public_is_sent_nothing(
    told: Told, served: Served, change_settings: Callable[..., None], host: str
) -> None:
    change_settings(NOTICES_ALLOW_PRIVATE="false")
    told.set_endpoint(served.url.replace("127.0.0.1", host))
    told.world.processing()

    assert run() == {"delivered": 0, "failed": 0, "waiting": 1}
    assert served.asked == []
    assert told.notices()[0]["last_error"] == "The endpoint's host leads to an address that is not public"


def test_without_https_nothing_is_sent(told: Told, served: Served, change_settings: Callable[..., None]) -> None:
    change_settings(NOTICES_ALLOW_HTTP="false")
    told.world.processing()

    assert run() == {"delivered": 0, "failed": 0, "waiting": 1}
    assert served.asked == []


def test_a_receiver_that_answers_410_is_told_nothing_more(told: Told, receiver: Receiver) -> None:
    receiver.replies = [(410, b"")]
    events(told.world)

    run()
    events(told.world)

    assert run() == NOTHING
    assert receiver.types == ["batch.started"]
    assert told.endpoint()["disabled_reason"] == "The endpoint answered 410 Gone"
    assert {status for _, status, _ in told.statuses()} == {"failed"}
    assert len(told.notices()) == 4  # what happened after it is no notice at all


def test_for_a_day_after_a_rotation_both_secrets_verify(told: Told, receiver: Receiver, served: Served) -> None:
    old = told.secret
    told.set_endpoint(served.url, rotate=True)
    assert told.secret != old
    receiver.secrets = [old, told.secret]  # it verifies with each
    told.world.processing()

    assert run() == {"delivered": 1, "failed": 0, "waiting": 0}

    query = "update public.notice_endpoints set previous_until = batchline.clock() where agency_id = %s"
    told.world.connection.execute(query, [told.world.agency.id])
    receiver.secrets = []
    told.replay(told.notices()[0]["batch_id"], told.notices()[0]["id"])
    run()
    last = served.asked[-1]
    Webhook(told.secret).verify(last.body, last.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(last.body, last.headers)


def test_under_another_service_key_nothing_is_signed_wrongly(told: Told, served: Served) -> None:
    told.world.processing()
    query = "update public.notice_endpoints set secret_seed = 'made under another' where agency_id = %s"
    told.world.connection.execute(query, [told.world.agency.id])

    run()

    assert served.asked == []
    assert "rotate_secret" in told.notices()[0]["last_error"]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("point", ["notice_claimed", "notice_before_send", SENT, "notices_before_record"])
def test_after_a_kill_at_any_point_each_notice_arrives_and_none_before_an_earlier_one(
    told: Told, receiver: Receiver, point: str, times: int
) -> None:
    expected = events(told.world, contacts=4)
    times = 1 if point in ("notice_claimed", "notices_before_record") else times

    with worker(point, times) as killed:
        killed.wait_until_reached()
        killed.kill()
    sent = {SENT: times, "notice_before_send": times - 1, "notices_before_record": 7}.get(point, 0)
    assert receiver.types == expected[:sent]
    assert run() == NOTHING  # the lease of the dead still holds
    told.make_due()
    run()

    assert receiver.types == [*expected[:sent], *expected]
    assert len(set(receiver.ids)) == len(expected)


def test_two_workers_send_each_notice_once_and_in_order(told: Told, receiver: Receiver) -> None:
    batches = [told.world.processing(5) for _ in range(6)]
    for batch_id in batches:
        told.world.cancel(batch_id)

    with worker() as one, worker() as other:
        results = [one.result(), other.result()]

    assert sum(result.get("delivered", 0) for result in results) == len(receiver.ids) == 6 * 7
    for batch_id in batches:
        of_it = [notice["id"] for notice in receiver.got if notice["data"]["batch_id"] == str(batch_id)]
        assert of_it == [notice["id"] for notice in told.notices(batch_id)]


def test_a_worker_whose_batch_was_taken_over_records_nothing(told: Told) -> None:
    batch_id = told.world.processing()
    with worker(SENT) as frozen:
        frozen.wait_until_reached()
        told.make_due()
        run()
        before = told.notices(batch_id)

        assert frozen.result() == {"delivered": 0, "failed": 0, "waiting": 0}

    assert told.notices(batch_id) == before
