"""One POST to the provider, over real sockets: what is certain about it, and what is not."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared import crash_points
from shared.dials import DialOrder, DialResult
from shared.ultravox import LookupFailedError, Sending, TooLateError, Ultravox, boottime
from tests.dialer.harness import doing, until
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from local.simulator.client import Simulator
    from tests.dialer.conftest import Settings
    from tests.servers import Asked

KEY = "the-provider-key"
AGENT = str(uuid4())


@pytest.fixture(autouse=True)
def _few_connections(change_settings: Settings) -> None:
    change_settings(DIAL_CONNECTIONS="2")


@pytest.fixture
def account(provider: Simulator) -> str:
    return provider.add_account(KEY, agents=[{"agentId": AGENT}])


def an_order(agent_id: str = AGENT) -> DialOrder:
    return DialOrder(
        call_id=str(uuid4()),
        agency_id=str(uuid4()),
        batch_id=str(uuid4()),
        contact_id=str(uuid4()),
        to_number="+12135550123",
        from_number="+12125550199",
        provider="twilio",
        sip_domain=None,
        ultravox_agent_id=agent_id,
        max_duration_seconds=60,
        recording_enabled=False,
        contact={},
        custom_data={},
    )


def dial(order: DialOrder | None = None, key: str = KEY, seconds_left: float = 10) -> DialResult:
    (result,) = dial_all([order or an_order()], key, seconds_left)
    return result


def dial_all(orders: list[DialOrder], key: str = KEY, seconds_left: float = 10) -> list[DialResult]:
    """One after the other."""

    async def one_by_one() -> list[DialResult]:
        async with Ultravox() as ultravox:
            return [await ultravox.dial(order, key, None, boottime() + seconds_left) for order in orders]

    return asyncio.run(one_by_one())


# --- a worker that stands still


@pytest.mark.parametrize(
    ("point", "nth", "result"),
    [
        ("before_post", 1, "not_sent"),
        ("before_post", 3, "not_sent"),
        ("checked", 2, "not_sent"),
        ("checked", 5, "unknown"),
    ],
)
@pytest.mark.usefixtures("account")
def test_a_worker_that_stood_still_while_sending_tells_the_truth_and_dials_on_when_it_wakes(
    change_settings: Settings, monkeypatch: pytest.MonkeyPatch, point: str, nth: int, result: str
) -> None:
    change_settings(
        DIAL_BY_SECONDS="0.3", DIAL_TIMEOUT_SECONDS="0.4", CONNECT_TIMEOUT_SECONDS="0.3", DIAL_CONNECTIONS="4"
    )
    reached = count(1)

    def stand_still(at: str) -> None:
        if at == point and next(reached) == nth:
            wake = boottime() + 0.5
            until(lambda: boottime() >= wake)

    monkeypatch.setattr(crash_points, "hook", stand_still)

    async def three_turns() -> list[list[DialResult]]:
        async with Ultravox() as ultravox:
            await ultravox.connect(3)
            return [
                await asyncio.gather(*(ultravox.dial(an_order(), KEY, None, boottime() + 0.3) for _ in range(3)))
                for _ in range(3)
            ]

    first, *others = asyncio.run(three_turns())
    assert result in [dial.result for dial in first]
    assert "unreachable" not in [dial.result for dial in first]
    assert [dial.result for turn in others for dial in turn] == ["accepted"] * 6


# --- the last check before the first byte


def test_a_post_is_watched_from_its_last_step_before_the_first_byte() -> None:
    sending = Sending(boottime() + 10)

    asyncio.run(sending.trace("connection.connect_tcp.started", {}))
    assert not sending.sent
    asyncio.run(sending.trace("http11.send_request_headers.started", {}))
    assert not sending.sent
    asyncio.run(sending.trace("http11.send_request_body.started", {}))
    assert sending.sent


def test_a_post_whose_time_is_over_is_refused_at_that_step() -> None:
    sending = Sending(boottime())

    asyncio.run(sending.trace("connection.connect_tcp.started", {}))
    with pytest.raises(TooLateError):
        asyncio.run(sending.trace("http11.send_request_headers.started", {}))
    assert not sending.sent


def test_a_body_whose_time_is_over_is_refused_after_its_headers() -> None:
    sending = Sending(boottime() + 0.05)

    asyncio.run(sending.trace("http11.send_request_headers.started", {}))
    until(lambda: boottime() >= sending.dial_by)
    with pytest.raises(TooLateError):
        asyncio.run(sending.trace("http11.send_request_body.started", {}))
    assert not sending.sent


@dataclass
class Line:
    """A server that takes connections and remembers what it read from them, but never answers."""

    port: int
    connections: int = 0
    read: bytearray = field(default_factory=bytearray)


@contextmanager
def listening(answer: Callable[[socket.socket], None] | None = None) -> Generator[Line]:
    """A listening Line; `answer` has the connection once something was read, which is closed after it."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as open_lines:
        line = Line(server.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:  # the end of the test
                    return
                open_lines.enter_context(connection)
                line.connections += 1
                line.read += connection.recv(65_536)
                if answer:
                    answer(connection)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield line
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_the_installed_http_library_announces_the_step_that_the_check_hangs_on(change_settings: Settings) -> None:
    with listening() as line:
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{line.port}")

        late = dial(seconds_left=0)
        until(lambda: line.connections)

    # An upgrade that renames the step would let this POST out.
    assert late.result == "not_sent"
    assert line.connections == 1
    assert line.read == b""


async def dial_while(make_room: Callable[[], object]) -> DialResult:
    async with Ultravox() as ultravox:
        later = threading.Timer(0.4, make_room)
        later.start()
        late = await ultravox.dial(an_order(), KEY, None, boottime() + 0.2)
        await asyncio.to_thread(later.join)
        return late


def test_a_connection_that_comes_too_late_is_not_used(change_settings: Settings) -> None:
    with busy_port() as (port, make_room):
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{port}", CONNECT_TIMEOUT_SECONDS="5")
        late = asyncio.run(dial_while(make_room))

    assert late.result == "not_sent"


# --- connections made before the calls begin


def test_connections_made_ahead_are_those_that_the_calls_use(change_settings: Settings) -> None:
    connections: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def connect_and_dial() -> list[int]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with server:
            async with Ultravox() as ultravox:
                await ultravox.connect(2)
                made = [len(connections)]
                await asyncio.gather(*(ultravox.dial(an_order(), KEY, None, boottime() + 10) for _ in range(2)))
            await asyncio.gather(*(task for task in connections if task))
        return [*made, len(connections)]

    assert asyncio.run(connect_and_dial()) == [2, 2]


def test_a_provider_that_takes_no_connection_holds_up_no_call_for_long(change_settings: Settings) -> None:
    async def connect() -> None:
        async with Ultravox() as ultravox, asyncio.timeout(4):
            await ultravox.connect(1)

    with busy_port() as (port, _):
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{port}", CONNECT_TIMEOUT_SECONDS="5")
        asyncio.run(connect())


# --- certainly nothing was sent


@contextmanager
def busy_port() -> Generator[tuple[int, Callable[[], object]]]:
    """A port whose queue of connections is full, and what empties it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as queued:
        queued.enter_context(socket.create_connection(server.getsockname()))  # a backlog of 0 holds one

        def make_room() -> None:
            queued.enter_context(server.accept()[0])

        yield server.getsockname()[1], make_room


def test_a_closed_port_is_unreachable(change_settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{port}")

    refused = dial()

    assert refused.result == "unreachable"
    assert refused.reason == "ConnectError: All connection attempts failed"


def test_a_name_that_does_not_resolve_is_unreachable(change_settings: Settings) -> None:
    change_settings(ULTRAVOX_BASE_URL=f"http://{'x' * 64}.invalid")  # too long to be asked for over a network

    assert dial().result == "unreachable"


def test_a_server_that_speaks_no_tls_is_unreachable(change_settings: Settings, simulator: Simulator) -> None:
    change_settings(ULTRAVOX_BASE_URL=simulator.base_url.replace("http://", "https://"))

    assert dial().result == "unreachable"


def test_a_connection_that_takes_too_long_is_unreachable(change_settings: Settings) -> None:
    with busy_port() as (port, _):
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{port}", CONNECT_TIMEOUT_SECONDS="0.2")

        assert dial().result == "unreachable"


def test_a_provider_that_is_away_is_unreachable_and_then_reached_again(account: str, provider: Simulator) -> None:
    provider.refuse_connections(0.3)

    assert dial().result == "unreachable"
    end = time.monotonic() + 5
    while (again := dial()).result == "unreachable" and time.monotonic() < end:
        time.sleep(0.05)
    assert again.result == "accepted"
    assert provider.stats(account=account)["accepted"] == 1


# --- the provider may have the call


@pytest.mark.parametrize(
    ("action", "accepted"),
    [
        ("accept_then_drop", 1),
        ("accept_then_500", 1),
        ("malformed_body", 1),
        ("drop_before_accept", 0),
    ],
)
def test_without_a_certain_answer_the_call_is_unknown(
    account: str, provider: Simulator, action: str, accepted: int
) -> None:
    provider.add_fault(action)

    lost = dial()

    assert lost.result == "unknown"
    assert lost.reason
    assert provider.stats(account=account)["accepted"] == accepted


@pytest.mark.parametrize("action", ["slow_201", "late_accept"])
def test_an_answer_that_takes_too_long_leaves_the_call_unknown(
    account: str, provider: Simulator, change_settings: Settings, action: str
) -> None:
    change_settings(DIAL_TIMEOUT_SECONDS="0.3", CONNECT_TIMEOUT_SECONDS="0.2")
    provider.add_fault(action, delay_seconds=1.5)

    began = time.monotonic()
    lost = dial()

    assert lost.result == "unknown"
    assert 0.3 <= time.monotonic() - began < 1.5
    end = time.monotonic() + 5
    while not provider.stats(account=account)["accepted"]:
        assert time.monotonic() < end


def test_an_answer_that_trickles_in_has_one_time_for_all_of_it(change_settings: Settings) -> None:
    def trickle(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}":
            try:
                connection.sendall(bytes([byte]))
            except OSError:  # the client has gone
                return
            time.sleep(0.1)  # the trickle itself

    with listening(trickle) as line:
        change_settings(
            ULTRAVOX_BASE_URL=f"http://127.0.0.1:{line.port}", DIAL_TIMEOUT_SECONDS="0.4", CONNECT_TIMEOUT_SECONDS="0.2"
        )
        began = time.monotonic()

        lost = dial()

    assert lost == DialResult(lost.call_id, "unknown", "TimeoutError")
    assert time.monotonic() - began < 2.2


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 2", b"not HTTP at all\r\n\r\n", b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{"]
)
def test_an_answer_that_breaks_off_leaves_the_call_unknown(change_settings: Settings, said: bytes) -> None:
    with listening(lambda connection: connection.sendall(said)) as line:
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{line.port}")

        assert dial().result == "unknown"
    assert line.connections == 1  # a second POST could be a second call


def test_an_answer_packed_in_a_broken_way_leaves_the_call_unknown(change_settings: Settings) -> None:
    said = b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    with listening(lambda connection: connection.sendall(said)) as line:
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{line.port}")

        assert dial().result == "unknown"


# --- certain answers


def test_an_accepted_call_carries_the_providers_id(account: str, provider: Simulator) -> None:
    order = an_order()

    found = dial(order)

    (call,) = provider.calls(account=account)
    assert found == DialResult(order["call_id"], "accepted", ultravox_call_id=call["ultravox_call_id"])
    assert (call["call_id"], call["to"]) == (order["call_id"], order["to_number"])


def test_a_redirect_is_not_followed(change_settings: Settings) -> None:
    said = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    with listening(lambda connection: connection.sendall(said)) as line:
        change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{line.port}")

        assert dial().result == "refused"
    assert line.connections == 1


@pytest.mark.usefixtures("account")
def test_a_404_means_that_the_agent_is_gone_where_the_provider_says_so_of_the_agent(provider: Simulator) -> None:
    assert dial(an_order(str(uuid4()))).result == "agent_gone"

    provider.add_fault("refuse", status=404, body={"detail": "Not found."})
    assert dial().result == "refused"


@pytest.mark.usefixtures("account")
def test_a_404_is_no_proof_where_the_agent_cannot_be_asked_for(provider: Simulator) -> None:
    provider.add_fault("lookup_outage", {"path": "agent"})

    assert dial(an_order(str(uuid4()))).result == "refused"


@pytest.mark.parametrize("key", ["a\nb", "ключ", "a\0b"])
def test_a_key_that_fits_no_header_is_refused_before_anything_is_sent(
    account: str, provider: Simulator, key: str
) -> None:
    refused = dial(key=key)

    assert refused.result == "account_refused"
    assert "store a valid one" in (refused.reason or "")
    assert provider.stats(account=account)["accepted"] == 0


# --- asking what became of a call


def a_page(calls: list[dict[str, object]], following: str | None = None) -> bytes:
    return json.dumps({"results": calls, "next": following}).encode()


def look_up(call_id: str, key: str = KEY) -> list[str]:
    async def once() -> list[str]:
        async with Ultravox() as ultravox:
            return [call["callId"] for call in await ultravox.calls_of(call_id, key)]

    return asyncio.run(once())


@pytest.mark.usefixtures("account")
def test_a_call_is_found_by_our_id_alone() -> None:
    order = an_order()
    found, _ = dial_all([order, an_order()])

    assert look_up(order["call_id"]) == [found.ultravox_call_id]
    assert look_up(str(uuid4())) == []


@pytest.mark.usefixtures("account")
def test_a_filter_that_the_provider_ignores_gives_nobody_elses_call(provider: Simulator) -> None:
    order = an_order()
    found, *_ = dial_all([order, *(an_order() for _ in range(25))])  # more than a page
    provider.add_fault("lookup_ignores_filter")

    assert look_up(order["call_id"]) == [found.ultravox_call_id]
    assert look_up(str(uuid4())) == []


def test_the_key_never_follows_an_address_out_of_an_answer(change_settings: Settings) -> None:
    def stranger(asked: Asked) -> tuple[int, bytes]:
        raise AssertionError(asked)

    with serving(stranger) as elsewhere:

        def first_then_second(asked: Asked) -> tuple[int, bytes]:
            if "cursor=2" in asked.path:
                return 200, a_page([])
            return 200, a_page([], f"{elsewhere.url}/api/calls?cursor=2")

        with serving(first_then_second) as provider:
            change_settings(ULTRAVOX_BASE_URL=provider.url)

            assert look_up("any") == []

    assert elsewhere.asked == []
    assert [asked.path for asked in provider.asked] == [
        "/api/calls?metadata.call_id=any",
        "/api/calls?metadata.call_id=any&cursor=2",
    ]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"results": null}', b'{"results": [7]}', b'{"results": [], "next": 7}']
)
def test_a_list_that_cannot_be_read_is_no_answer(change_settings: Settings, body: bytes) -> None:
    with serving(lambda _: (200, body)) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        with pytest.raises(LookupFailedError):
            look_up("any")


def test_a_call_without_metadata_is_nobody_of_ours(change_settings: Settings) -> None:
    with serving(lambda _: (200, a_page([{"callId": "1", "metadata": None}, {"callId": "2"}]))) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        assert look_up("any") == []


def test_a_call_whose_metadata_cannot_be_read_may_be_ours(change_settings: Settings) -> None:
    with serving(lambda _: (200, a_page([{"callId": "1", "metadata": ["not", "a", "map"]}]))) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        with pytest.raises(LookupFailedError):
            look_up("any")


def deleted(created_from: str) -> list[str]:
    async def once() -> list[str]:
        async with Ultravox() as ultravox:
            return await ultravox.deleted_since(created_from, KEY)

    return asyncio.run(once())


@pytest.mark.usefixtures("account")
def test_the_calls_that_were_deleted_are_listed_by_the_time_of_their_creation(provider: Simulator) -> None:
    provider.configure(people=doing("no_answer", no_answer_seconds=60))
    results = dial_all([an_order() for _ in range(30)])
    gone = [str(result.ultravox_call_id) for result in results[:25]]
    for call_id in gone:
        provider.end_call(call_id)
        provider.delete_call(call_id)

    assert sorted(deleted((datetime.now(UTC) - timedelta(minutes=5)).isoformat())) == sorted(gone)
    assert deleted((datetime.now(UTC) + timedelta(minutes=5)).isoformat()) == []


@pytest.mark.parametrize("body", [b"{}", b'{"results": [{}]}', b'{"results": [{"callId": "7"}]}'])
def test_a_list_of_deleted_calls_that_cannot_be_read_is_no_answer(change_settings: Settings, body: bytes) -> None:
    with serving(lambda _: (200, body)) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        with pytest.raises(LookupFailedError):
            deleted("2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("status", "agent", "deletes"),
    [
        (200, {"callTemplate": {"retentionPolicy": "AUTO_DELETE"}}, True),
        (200, {"callTemplate": {"retentionPolicy": "CALL_RETENTION_POLICY_AUTO_DELETE"}}, True),
        (200, {"callTemplate": {"retentionPolicy": "auto_delete"}}, True),
        (200, {"callTemplate": {"retentionPolicy": "RETAIN"}}, False),
        (200, {"callTemplate": {"retentionPolicy": None}}, False),
        (200, {"callTemplate": {}}, False),
        (200, {"callTemplate": None}, False),
        (404, {}, False),
    ],
)
def test_an_agent_tells_whether_its_calls_delete_themselves(
    change_settings: Settings, status: int, agent: dict[str, object], deletes: bool
) -> None:
    async def once() -> bool:
        async with Ultravox() as ultravox:
            return await ultravox.deletes_calls("the/agent", KEY)

    with serving(lambda _: (status, json.dumps(agent).encode())) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        assert asyncio.run(once()) is deletes
    assert [asked.path for asked in provider.asked] == ["/api/agents/the%2Fagent"]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"callId": "another"}'])
def test_only_a_call_itself_tells_what_became_of_it(change_settings: Settings, body: bytes) -> None:
    async def once() -> None:
        async with Ultravox() as ultravox:
            await ultravox.call("the-call", KEY)

    with serving(lambda _: (200, body)) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        with pytest.raises(LookupFailedError):
            asyncio.run(once())


def test_an_account_that_is_not_there_tells_nothing_of_its_limits(change_settings: Settings) -> None:
    async def once() -> None:
        async with Ultravox() as ultravox:
            await ultravox.account(KEY)

    with serving(lambda _: (404, b"{}")) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        with pytest.raises(LookupFailedError):
            asyncio.run(once())


@pytest.mark.parametrize("body", [b"null", b"[]", b"<html>"])
def test_an_agent_is_gone_only_by_a_404(change_settings: Settings, body: bytes) -> None:
    with serving(lambda asked: (404 if asked.method == "POST" else 200, body)) as provider:
        change_settings(ULTRAVOX_BASE_URL=provider.url)

        assert dial().result == "refused"


@pytest.mark.usefixtures("account")
def test_a_look_up_that_is_refused_is_no_answer(provider: Simulator) -> None:
    provider.add_fault("refuse", {"path": "lookup"}, status=403)

    with pytest.raises(LookupFailedError):
        look_up("any")


def test_a_look_up_with_a_key_that_fits_no_header_is_no_answer() -> None:
    with pytest.raises(LookupFailedError):
        look_up("any", key="ключ")
