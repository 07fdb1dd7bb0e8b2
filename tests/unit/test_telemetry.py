from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from shared.telemetry import SERVICE, MaskingFormatter, count, mask_phone_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a logger with our formatter writes."""
    stream, log = io.StringIO(), logging.getLogger(f"{SERVICE}.test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MaskingFormatter(utc=True, use_rfc3339=True))
    log.addHandler(handler)
    yield stream
    log.removeHandler(handler)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("calling +12135550123", "calling …0123"),
        ("+12135550123,+12135550199", "…0123,…0199"),
        ("?to=%2B12135550123&x=1", "?to=…0123&x=1"),
        ("sip:+12135550123@carrier.example", "sip:…0123@carrier.example"),
        ("2026-11-22T05:40:00.123456+00:00", "2026-11-22T05:40:00.123456+00:00"),
        ("1795325970248 is no phone number", "1795325970248 is no phone number"),
    ],
)
def test_a_phone_number_keeps_its_last_four_digits(text: str, masked: str) -> None:
    assert mask_phone_numbers(text) == masked


def test_message_extra_keys_and_traceback_are_masked(written: io.StringIO) -> None:
    try:
        int("+12135550123 is no number")
    except ValueError:
        logging.getLogger(f"{SERVICE}.test").exception("cannot call +12135550124", extra={"to": ["+12135550125"]})

    line = json.loads(written.getvalue())
    assert line["message"] == "cannot call …0124"
    assert line["to"] == ["…0125"]
    assert "…0123 is no number" in line["exception"]
    assert "555" not in written.getvalue()


@pytest.mark.parametrize("library", ["boto3", "botocore.parsers", "httpcore.http11", "httpx", "urllib3.connectionpool"])
def test_what_libraries_send_and_are_sent_is_not_written_though_all_is_at_debug(
    library: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    logging.getLogger(library).info("GET https://api.example/?key=secret")
    logging.getLogger(library).warning("that went wrong")

    assert caplog.messages == ["that went wrong"]


def test_metrics_are_one_line_in_the_embedded_format(capsys: pytest.CaptureFixture[str]) -> None:
    count("calls-batch-process", calls_started=12, calls_unknown=0)

    line = json.loads(capsys.readouterr().out)
    assert line["function"] == "calls-batch-process"
    assert (line["calls_started"], line["calls_unknown"]) == ([12.0], [0.0])
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Batchline"
