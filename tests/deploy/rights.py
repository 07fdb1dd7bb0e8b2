"""IAM before moto's server: a request is passed on only if the role of who signed it allows it.

moto's own check compares no conditions and, but for S3, no resources. Who signed is read from the access key, which is
the function's name here; so a link that a function has signed opens no more than its role, whoever uses it.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from local.aws import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

Statement = dict[str, Any]
WAIT_SECONDS = 10
NOT_PASSED_ON = {"connection", "transfer-encoding", "server", "date"}
# What S3 has rights of another name for: by method, whether an object is meant, and a word of the query.
S3_ACTIONS = {
    ("GET", True, ""): "s3:GetObject",
    ("HEAD", True, ""): "s3:GetObject",
    ("PUT", True, ""): "s3:PutObject",
    ("PUT", True, "uploadId"): "s3:PutObject",
    ("POST", True, "uploads"): "s3:PutObject",
    ("POST", True, "uploadId"): "s3:PutObject",
    ("DELETE", True, ""): "s3:DeleteObject",
    ("DELETE", True, "uploadId"): "s3:AbortMultipartUpload",
    ("POST", False, "delete"): "s3:DeleteObject",
    ("GET", False, "list-type"): "s3:ListBucket",
}


@dataclass(frozen=True)
class Wish:
    """One action on one resource, with the prefix that is listed where that is it."""

    action: str
    resource: str
    prefix: str = ""

    def is_allowed_by(self, statements: Sequence[Statement]) -> bool:
        return any(self._fits(statement) for statement in statements)

    def _fits(self, statement: Statement) -> bool:
        assert statement["Effect"] == "Allow"
        prefixes: list[str] = statement.get("Condition", {"StringLike": {"s3:prefix": ["*"]}})["StringLike"][
            "s3:prefix"
        ]
        return (
            self.action in statement["Action"]
            and any(fnmatchcase(self.resource, pattern) for pattern in statement["Resource"])
            and any(fnmatchcase(self.prefix, pattern) for pattern in prefixes)
        )


@dataclass
class Gate:
    """`roles` are the statements of each function; who has none, such as a test itself, may do everything."""

    upstream: str
    roles: Mapping[str, Sequence[Statement]]
    url: str = ""
    used: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    denied: list[tuple[str, Wish]] = field(default_factory=list[tuple[str, Wish]])

    def allows(self, who: str, wishes: Sequence[Wish]) -> bool:
        """Whether all of it is in the role; what was wished is remembered."""
        if who not in self.roles:
            return True
        refused = [wish for wish in wishes if not wish.is_allowed_by(self.roles[who])]
        self.denied += [(who, wish) for wish in refused]
        self.used.setdefault(who, set()).update(wish.action for wish in wishes)
        return not refused

    def hides(self, who: str, wish: Wish) -> bool:
        """Whether S3 would say 403 instead of 404 of an object that is not there: to who may not list it."""
        bucket, _, name = wish.resource.partition("/")
        may_know = Wish("s3:ListBucket", bucket, name)
        if wish.action != "s3:GetObject" or who not in self.roles:
            return False
        self.used[who].add(may_know.action)
        return not may_know.is_allowed_by(self.roles[who])


@contextmanager
def guarded(upstream: str, roles: Mapping[str, Sequence[Statement]]) -> Generator[Gate]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    gate = Gate(upstream, roles)
    server = _Server(gate)
    gate.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        thread.join(WAIT_SECONDS)
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, gate: Gate) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.gate = gate


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5

    def do_GET(self) -> None:
        gate = cast("_Server", self.server).gate
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        who, wishes = self._signer(), self._wishes(body)
        if not gate.allows(who, wishes):
            self._deny()
            return
        status, headers, content = self._pass_on(gate.upstream, body)
        if status == 404 and gate.hides(who, wishes[0]):
            gate.denied.append((who, wishes[0]))
            self._deny()
            return
        self._answer(status, headers, content)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _signer(self) -> str:
        signed = unquote(self.headers.get("Authorization", "") + self.path)
        found = re.search(r"Credential=([^/]+)/", signed)
        assert found, self.path
        return found[1]

    def _wishes(self, body: bytes) -> list[Wish]:
        if target := self.headers.get("X-Amz-Target"):
            return [_of_json(target, json.loads(body))]
        return _of_s3(self.command, self.path, body)

    def _pass_on(self, upstream: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        target = urlsplit(upstream)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=WAIT_SECONDS)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _deny(self) -> None:
        if self.headers.get("X-Amz-Target"):
            content = json.dumps({"__type": "AccessDeniedException", "message": "not authorized"}).encode()
            self._answer(400, [("Content-Type", "application/x-amz-json-1.1")], content)
        else:
            content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self._answer(403, [("Content-Type", "application/xml")], content)

    def _answer(self, status: int, headers: Sequence[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in NOT_PASSED_ON and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing of each request."""


def _of_json(target: str, given: Mapping[str, Any]) -> Wish:
    """Of SSM or SQS, whose requests name their action."""
    service, _, action = target.partition(".")
    if service == "AmazonSSM":
        return Wish(f"ssm:{action}", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{given['Name']}")
    assert service == "AmazonSQS", target
    queue = given["QueueUrl"].rsplit("/", 1)[1]
    return Wish(f"sqs:{action.removesuffix('Batch')}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")


def _of_s3(method: str, path: str, body: bytes) -> list[Wish]:
    split = urlsplit(path)
    bucket, _, name = unquote(split.path)[1:].partition("/")
    query = parse_qs(split.query, keep_blank_values=True)
    (word,) = query.keys() & {"uploads", "uploadId", "delete", "list-type"} or {""}
    action, arn = S3_ACTIONS[method, bool(name), word], f"arn:aws:s3:::{bucket}"
    if word == "delete":
        return [Wish(action, f"{arn}/{key}") for key in re.findall(r"<Key>(.+?)</Key>", body.decode())]
    if word == "list-type":
        return [Wish(action, arn, query.get("prefix", [""])[0])]
    return [Wish(action, f"{arn}/{name}")]
