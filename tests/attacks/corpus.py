"""What people with bad intentions send: into a field, as a body, as a path, as a content type."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = {
    "operator": "eq.1",
    "or": "or=(id.not.is.null)",
    "in": 'in.("a","b")',
    "order": "created_at.desc.nullslast,(select 1)",
    "star": "*",
    "select": "*,agencies(*),users(*)",
    "quote": "'; drop table public.calls; --",
    "dollar": "$$ || pg_sleep(9) || $$",
    "percent": "%00%0d%0aset-cookie:x=1",
    "newline": "x\r\nSet-Cookie: stolen=1\r\n\r\n",
    "NUL": "a\x00b",
    "emoji": "👩‍👩‍👧‍👦" * 50,
    "backwards": "\u202egnp.exe",
    "zalgo": "a" + "\u0301" * 500,
    "long": "x" * 200_000,
    "path": "../../../../etc/passwd",
    "format": "%s%s%s{0}{__class__}${jndi:ldap://127.0.0.1:9/a}",
    "formula": '=HYPERLINK("http://127.0.0.1:9","x")',
    "html": "<script>alert(1)</script>",
    "number": "1e400",
    "null": "null",
    "spaces": "\u2003\ufeff ",
}
VALUES: dict[str, Any] = {
    "surrogate": "\ud800",
    "list": ["eq.1"],
    "object": {"eq": "1", "$ne": None},
    "deep": [[[[[[[[1]]]]]]]],
    "true": True,
    "minus": -1,
    "huge": 2**63,
    "float": 1.5,
}
BOMBS: dict[str, bytes] = {
    "100,000 brackets": b"[" * 100_000,
    "100,000 objects in each other": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 100,000 digits": b'{"batch_id":' + b"9" * 100_000 + b"}",
    "an exponent of 999,999": b'{"batch_id":1e999999}',
    "minus infinity": b'{"batch_id":-Infinity}',
    "100,000 names": b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}",
    "100,000 names and the last again": b"{" + b",".join(b'"k%d":1' % n for n in [*range(100_000), 99_999]) + b"}",
    "one name 100,000 times": b"{" + b",".join([b'"batch_id":1'] * 100_000) + b"}",
    "escapes": b'{"batch_id":"' + b"\\u0041" * 100_000 + b'"}',
    "a lone surrogate": b'{"batch_id":"\\ud800"}',
    "no UTF-8": b'{"batch_id":"\xff\xfe"}',
    "a byte order mark": b'\xef\xbb\xbf{"batch_id":1}',
    "UTF-16": '{"batch_id":1}'.encode("utf-16"),
    "a zip bomb": gzip.compress(b'{"batch_id":"' + b"0" * 3_000_000 + b'"}'),
    "NULs": b"\x00" * 1000,
    "nothing": b"",
    "spaces": b" " * 100_000,
}
HUGE: dict[str, Callable[[], bytes]] = {
    "4 MB of names": lambda: b"{" + b",".join(b'"%06x":1' % n for n in range(340_000)) + b"}",
    "4 MB of entries": lambda: b'{"contacts":[' + b",".join([b"0"] * 2_000_000) + b"]}",
    "4 MB of objects": lambda: b'{"contacts":[' + b",".join([b"{}"] * 1_300_000) + b"]}",
    "4 MB of a text": lambda: b'{"name":"' + b"x" * 4_000_000 + b'"}',
    "5 MB": lambda: b'{"name":"' + b"x" * 5_000_000 + b'"}',
    "7 MB": lambda: b" " * 7_000_000,
}
PATHS = [
    "//calls-batch-list",
    "/calls-batch-list/",
    "/calls-batch-list/../calls-batch-get",
    "/calls-batch-list%2f..%2fhealth",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/calls-batch-list%00",
    "/calls-batch-list;a=b",
    "/CALLS-BATCH-LIST",
    "/calls_batch_list",
    "/calls-batch-process",
    "/process-historical-sync",
    "/functions/calls-batch-list/handler.py",
    "/batch-call/..%2flist",
    "/batch-call/list/../../calls-batch-list",
    "/webhook-ingest/",
    "/webhook-ingest/%00",
    "/batch-call/" + "x" * 5000,
    "/\u202ecalls",
    "/calls-batch-list#x",
    "/calls-batch-list?" + "a=1&" * 3000,
]
TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/json; charset=utf-16",
    "application/octet-stream",
    "*/*",
    "x" * 2000,
]
