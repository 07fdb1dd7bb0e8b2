"""Kinds of attacks over HTTP; each makes, for one operation, a strategy of requests without credentials."""

from __future__ import annotations

import gzip
import json
import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import requests
import schemathesis
from hypothesis import strategies as st

from shared.batch_call_bodies import LAST_MILLISECOND
from tests.attacks.corpus import BOMBS, HUGE, PATHS, TYPES
from tests.attacks.strategies import encoded, fragments, texts
from tests.attacks.target import JSON, event_of, some_thing
from tests.attacks.wire import Shot
from tests.factories import fictional_numbers
from tests.openapi.contract import make_real

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local.openapi.document import Json
    from tests.attacks.target import Target
    from tests.openapi.contract import Case

    Way = tuple[str | int, ...]
    Shots = st.SearchStrategy[Shot]

HOLE = "\x00hole\x00"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "FOO", "get")
FEW_HEADERS = (
    *("Authorization", "Idempotency-Key", "X-API-KEY", "X-API-SECRET", "Content-Type", "Content-Encoding", "Origin"),
    *("Cookie", "X-Forwarded-For", "X-Forwarded-Host", "X-HTTP-Method-Override", "X-Request-Id", "Accept", "Range"),
    *("X-Ultravox-Webhook-Timestamp", "X-Ultravox-Webhook-Signature", "X-Ultravox-Call-ID", "Prefer", "apikey"),
    *("Accept-Profile", "Content-Profile", "Access-Control-Request-Method", "If-None-Match", "X-Amzn-Trace-Id"),
)
BENT = ("utf-16", "utf-8-sig", "utf-32", "utf-7", "latin-1")
TRICKS = (
    "..",
    ".",
    "%2e%2e",
    "%2f",
    "%5c",
    "%00",
    ";a=b",
    "%0d%0a",
    "%252e",
    "%c0%af",
    "//",
    " ",
    "\ufeff",
    "%ff",
    "*",
)


def described(target: Target) -> Shots:
    """What schemathesis makes of the document, valid and invalid, half of it about what exists."""
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    cases = st.one_of(*(target.loaded.as_strategy(generation_mode=mode) for mode in modes))
    numbers = st.integers(1, 5).map(fictional_numbers)
    lucky = st.fixed_dictionaries(
        {
            "contacts": numbers.map(lambda some: [{"phone_number": number} for number in some]),
            "tasks": numbers.map(lambda some: [{"to_number": number} for number in some]),
            "scheduled_for": st.sampled_from([None, "2099-01-16T09:00:00Z"]),
            "trigger_timestamp": st.sampled_from([None, 4_072_237_200_000, LAST_MILLISECOND]),
            "timezone": st.sampled_from(["UTC", "America/New_York"]),
        }
    )
    known = st.none() | st.builds(_both, lucky, some_thing(target))
    return st.builds(_as_shot, cases, known)


def _both(some: Json, more: Json) -> Json:
    return some | more


def _as_shot(case: Case, known: Json | None) -> Shot:
    if known is not None:
        make_real(case, known)
    given: Json = case.as_transport_kwargs(base_url="http://127.0.0.1")
    given = {
        name: given[name] for name in ("method", "url", "headers", "params", "json", "data", "cookies") if name in given
    }
    prepared = requests.Request(**given).prepare()
    body: Any = prepared.body or b""
    headers = tuple((name, str(value)) for name, value in prepared.headers.items() if name != "Content-Length")
    return Shot(prepared.method or "", prepared.path_url, headers, body.encode() if isinstance(body, str) else body)


def fields(target: Target) -> Shots:
    """The document's example with one to three values that nobody expects, at any depth, or one field more."""
    body = target.body_with({})
    if not body:
        return queries(target)
    ways = [*_ways(body)]
    holes = st.lists(st.tuples(st.sampled_from(ways) | st.just(("more",)), fragments()), min_size=1, max_size=3)

    def made(thing: Json, chosen: list[tuple[Way, str]], name: str) -> Shot:
        whole: Any = target.body_with(thing)
        for number, (way, _) in enumerate(chosen):
            _put(whole, tuple(name if step == "more" else step for step in way), f"{HOLE}{number}")
        text = json.dumps(whole)
        for number, (_, fragment) in enumerate(chosen):
            text = text.replace(json.dumps(f"{HOLE}{number}"), fragment)
        return replace(target.request(thing), body=text.encode("utf-8", "surrogatepass"))

    return st.builds(made, some_thing(target), holes, texts())


def _ways(value: object, so_far: Way = ()) -> Iterator[Way]:
    """The ways to every value inside a value; of a list, to its first two."""
    inner: Sequence[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inner = [*cast("Json", value).items()]
    elif isinstance(value, list):
        inner = [*enumerate(cast("list[Any]", value)[:2])]
    for step, child in inner:
        yield (*so_far, step)
        yield from _ways(child, (*so_far, step))


def _put(whole: Any, way: Way, value: object) -> None:
    """Sets the value there, unless an earlier one took the place of what led there."""
    for step in way[:-1]:
        if isinstance(whole, str):
            return
        whole = whole[step]
    if not isinstance(whole, str):
        whole[way[-1]] = value


def bodies(target: Target) -> Shots:
    """Whole bodies: bombs, other encodings, cut, bent, doubled, called something else."""
    if "requestBody" not in target.raw:
        return queries(target)
    bombs = st.sampled_from([*BOMBS.values()])
    # Now and then only: each of them takes a second.
    huge = st.integers(0, 29).flatmap(
        lambda dice: bombs if dice else st.sampled_from([*HUGE.values()]).map(operator.call)
    )
    good = st.builds(target.body_with, some_thing(target)).map(lambda body: json.dumps(body).encode())
    cut = st.builds(_cut, good, st.integers(0))
    bent = st.builds(_bent, good, st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=4))
    other = st.builds(_encoded, good, st.sampled_from(BENT))
    twice = good.map(lambda raw: raw + raw)
    doubled = good.map(lambda raw: raw[:-1] + b"," + raw[1:])
    packed = good.map(gzip.compress)
    trees = fragments().map(lambda text: text.encode("utf-8", "surrogatepass"))
    raw = st.one_of(huge, cut, bent, other, twice, doubled, packed, trees, st.binary(max_size=60), good)
    kinds = st.just("application/json") | st.sampled_from(TYPES) | st.none()
    codings = st.sampled_from((None, None, None, "gzip", "br", "identity, gzip", "x" * 300))

    def made(thing: Json, body: bytes, kind: str | None, coding: str | None) -> Shot:
        named = [("Content-Type", kind)] if kind is not None else []
        named += [("Content-Encoding", coding)] if coding else []
        return replace(target.request(thing), body=body, headers=tuple(named))

    return st.builds(made, some_thing(target), raw, kinds, codings)


def _cut(raw: bytes, place: int) -> bytes:
    return raw[: place % len(raw)]


def _encoded(raw: bytes, code: str) -> bytes:
    return raw.decode().encode(code)


def _bent(raw: bytes, places: list[tuple[int, int]]) -> bytes:
    bent = bytearray(raw)
    for place, bits in places:
        bent[place % len(bent)] ^= bits
    return bytes(bent)


def queries(target: Target) -> Shots:
    """Names twice, unknown ones, operators, and what is no query at all; in the path's own parameters too."""
    names = st.sampled_from(target.parameter_names()) | texts()
    pairs = st.lists(st.builds("{}={}".format, names.map(encoded), texts().map(encoded)), max_size=4)
    odd = st.sampled_from(("%", "%zz", "&&&=", "a[]=1", "=", "?", "%ff=%ff", "batch_id", ";", "a=1#b", "%u0041"))

    def made(thing: Json, more: list[str], other: str | None, path_text: str | None, with_own: bool) -> Shot:
        shot = target.request(thing)
        path, _, own = shot.path.partition("?")
        if path_text is not None:
            path = target.path_with(dict.fromkeys(("batch_call_id", "agency_id"), path_text))
        parts = [*([own] if own and with_own else []), *more, *([other] if other else [])]
        return replace(shot, path=path + ("?" + "&".join(parts) if parts else ""))

    return st.builds(made, some_thing(target), pairs, st.none() | odd, st.none() | texts(), st.booleans())


def headers(target: Target) -> Shots:
    """Headers that are unknown, doubled, huge, of no letters, or that try to begin another header; other methods."""
    written = texts().map(lambda text: text.replace("\r", "").replace("\n", "").replace("\x00", ""))
    tokens = st.text("abcXYZ-_", min_size=1, max_size=12)
    good = st.tuples(st.sampled_from(FEW_HEADERS) | tokens, written)
    huge = st.tuples(st.sampled_from(FEW_HEADERS), st.sampled_from(("x" * 9_000, "x," * 40_000, "é" * 70_000)))
    bad = st.tuples(st.sampled_from(FEW_HEADERS) | texts(), texts())
    sets = st.lists(good, min_size=1, max_size=4).map(lambda some: (some, False))
    broken = st.lists(huge | bad, min_size=1, max_size=2).map(lambda some: (some, True))
    methods = st.just(target.method) | st.just(target.method) | st.sampled_from(METHODS)

    def made(thing: Json, given: tuple[list[tuple[str, str]], bool], method: str) -> Shot:
        is_broken = given[1] or method in ("FOO", "get", "TRACE")
        return replace(target.request(thing).with_headers(given[0]), method=method, is_broken=is_broken)

    return st.builds(made, some_thing(target), sets | sets | broken, methods)


def paths(target: Target) -> Shots:
    """The operation's path with something in it, in other letters, twice encoded; and those of the corpus."""
    tricks = st.lists(st.tuples(st.integers(0), st.sampled_from(TRICKS) | texts()), min_size=1, max_size=3)
    ways = st.sampled_from((str.upper, str.title, "{}/".format, "/{}".format, _twice_encoded))

    def bent(thing: Json, inserted: list[tuple[int, str]], is_encoded: bool) -> str:
        path = target.path_with(thing)
        for place, text in inserted:
            at = place % (len(path) + 1)
            path = path[:at] + (encoded(text) if is_encoded else text) + path[at:]
        return path

    inserted = st.builds(bent, some_thing(target), tricks, st.booleans())
    turned = st.builds(operator.call, ways, some_thing(target).map(target.path_with))

    def made(thing: Json, path: str, method: str) -> Shot:
        is_broken = not (path.startswith("/") and path.isascii() and path.isprintable() and " " not in path)
        return replace(target.request(thing), path=path, method=method, is_broken=is_broken)

    anywhere = st.one_of(inserted, inserted, turned, st.sampled_from(PATHS))
    return st.builds(made, some_thing(target), anywhere, st.sampled_from((target.method, target.method, "GET", "POST")))


def _twice_encoded(path: str) -> str:
    return "/" + "".join(f"%25{ord(letter):02x}" for letter in path[1:])


def events(target: Target) -> Shots:
    """The provider's events with a field, or three, of any other type, and ids of anybody."""
    base = event_of({"callId": str(uuid4())})
    ways = [way for way in _ways(base) if way]
    holes = st.lists(st.tuples(st.sampled_from(ways) | st.just(("call", "more")), fragments()), max_size=3)
    names = st.sampled_from(("started", "joined", "ended", "billed", "ended", "moved"))
    metadata = ("agency_id", "batch_id", "contact_id", "call_id")

    def made(thing: Json, name: str, chosen: list[tuple[Way, str]], call_id: str) -> Shot:
        whole = event_of({"callId": call_id}, f"call.{name}")
        whole["call"]["metadata"] = {field: str(thing.get(field, "")) for field in metadata}
        for number, (way, _) in enumerate(chosen):
            _put(whole, way, f"{HOLE}{number}")
        text = json.dumps(whole)
        for number, (_, fragment) in enumerate(chosen):
            text = text.replace(json.dumps(f"{HOLE}{number}"), fragment)
        return Shot("POST", target.path_with(target.things[0]), (JSON,), text.encode("utf-8", "surrogatepass"))

    calls = st.sampled_from([str(uuid4()) for _ in range(8)])
    return st.builds(made, some_thing(target), names, holes, calls)


KINDS: dict[str, Callable[[Target], Shots]] = {
    "described": described,
    "fields": fields,
    "bodies": bodies,
    "queries": queries,
    "headers": headers,
    "paths": paths,
    "events": events,
}
