"""Hostile text, and hostile JSON as text: much of it is what no library would write."""

from __future__ import annotations

import json
import operator
from urllib.parse import quote
from uuid import uuid4

from hypothesis import strategies as st

from tests.attacks.corpus import TEXTS

OPERATORS = (
    *("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch", "in", "is", "isdistinct", "fts"),
    *("plfts", "phfts", "wfts", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj", "not", "or", "and", "all", "any"),
)
ARGUMENTS = ("1", "null", "(1,2)", '("a","b")', "*", "%25", "true", "{a,b}", "[1,2)", "unknown", "1,or=(id.eq.1)", "")
COLUMNS = ("id", "agency_id", "created_at", "raw->>summary", "agencies(*)", "count()", '"', "*")
ORDERS = (".desc", ".asc.nullsfirst", ",(select 1)", "::text", "&limit=0", "->0", "")
TIMES = (
    *("now", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "infinity", "epoch"),
    *("2026-02-30", "2026-11-25T12:00:00", "20261125T120000Z", "2026-W48-3", "24:00", "2026-06-30T23:59:60Z"),
    *("-4713-01-01", "294277-01-01T00:00:00Z", "2026-11-25T12:00:00+99:99", "1e9", "1795325970"),
    "\u0662\u0660\u0662\u0666-\u0661\u0661-\u0662\u0665",
)
NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "-0.0", "0.1", "1e308", "1E+2", "01", ".5"),
    *("+1", "0x10", "1_000", "2147483647", "2147483648", "-2147483649", "9223372036854775808", "1" + "0" * 30),
    *("9" * 4300, "9" * 4301, "9" * 20_000, "0." + "1" * 5000, "1." + "0" * 400, "1" + "0" * 400 + ".0"),
)
NO_JSON = (
    *("'a'", '"a', "tru", "undefined", "[1,]", '{"a":1,}', "{a:1}", "/*x*/1", "1//", "", "]", '"\x01"', '"\\x41"'),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\ud83d\\ude42"', '"a\\u0000b"', '{"\\u0000":1}', "\ufeff1"),
)
IDS = ("{0}", "{{{0}}}", "urn:uuid:{0}", "{0} ", "{0}'", "{0}\x00", "{bare}", "{upper}", "{short}", "{other_digits}")
# Marks that go before, after, over and under others, that turn the direction, that are not there, or are two.
ODD = (
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u0301" * 50, "\u2028", "\u0085", "\x7f", "\ufffd", "\uffff"),
    *("😀", "👩\u200d👩\u200d👧", "\U0010ffff", "\U000e0041", "\u0130", "ß", "\ufb03", "\u2126", "\u0663"),
    *("\uff11\uff12", "\u00a0", "\u3000"),
)
LETTERS = ("x", "é", "😀", "\x00", "9", "+", "(")
LENGTHS = (100, 255, 256, 321, 5_000, 65_537)


def operators() -> st.SearchStrategy[str]:
    """As PostgREST has them in its filters, its `or`, its `select` and its `order`."""
    filters = st.builds("{}{}.{}".format, *map(st.sampled_from, (("", "not."), OPERATORS, ARGUMENTS)))
    orders = st.builds("{}{}".format, *map(st.sampled_from, (COLUMNS, ORDERS)))
    groups = st.lists(filters, min_size=1, max_size=4).map(lambda some: f"({','.join(f'id.{one}' for one in some)})")
    return st.one_of(filters, orders, groups)


def ids() -> st.SearchStrategy[str]:
    """Nearly a UUID, or nobody's."""
    bent = st.builds(_bent_id, st.sampled_from(IDS))
    return bent | st.builds(uuid4).map(str)


def _bent_id(way: str) -> str:
    one = str(uuid4())
    bare, other_digits = one.replace("-", ""), one.replace("0", "\u0660")
    return way.format(one, bare=bare, upper=one.upper(), short=one[:-1], other_digits=other_digits)


def texts() -> st.SearchStrategy[str]:
    """Text that somebody, somewhere, once did not expect; half a surrogate pair is among it."""
    long = st.builds(operator.mul, st.sampled_from(LETTERS), st.sampled_from(LENGTHS))
    odd = st.lists(st.sampled_from(ODD) | st.text(max_size=5), min_size=1, max_size=6).map("".join)
    known = st.sampled_from([text for name, text in TEXTS.items() if name != "long"])
    any_text = st.text(st.characters(codec=None), max_size=40)
    phones = st.builds("+1{}5550{}".format, st.integers(200, 999), st.integers(0, 9999))
    numbers = phones | st.sampled_from(NUMBERS[:26])
    return st.one_of(operators(), known, odd, any_text, long, ids(), st.sampled_from(TIMES), numbers)


def fragments() -> st.SearchStrategy[str]:
    """JSON, or nearly, to be put where a value stands."""
    written = st.builds(_written, texts(), st.booleans())
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
    trees = st.recursive(leaves, _branches, max_leaves=12).map(json.dumps)
    deep = st.builds(_nested, st.sampled_from((1, 30, 31, 32, 33, 200, 1_000, 20_000)), st.booleans(), st.booleans())
    wide = st.builds(_wide, st.sampled_from(("0", "{}", '""', "[]")), st.sampled_from((0, 1, 1_001, 10_001, 100_000)))
    twice = st.builds('{{"a":{0},"a":{0}}}'.format, st.sampled_from(("1", "{}", '"x"')))
    escapes = st.text(max_size=6).map(lambda text: '"' + "".join(f"\\u{ord(c) % 65536:04x}" for c in text) + '"')
    return st.one_of(
        written, written, st.sampled_from(NUMBERS), st.sampled_from(NO_JSON), trees, deep, wide, twice, escapes
    )


def _written(text: str, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)


def _branches(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)


def _wide(inner: str, count: int) -> str:
    return f"[{','.join([inner] * count)}]"


def _nested(levels: int, is_list: bool, is_closed: bool) -> str:
    begin, end = ("[", "]") if is_list else ('{"a":', "}")
    return begin * levels + "1" + (end * levels if is_closed else "")


def encoded(text: str, safe: str = "") -> str:
    """As it stands in a URL."""
    return quote(text.encode("utf-8", "surrogatepass"), safe=safe)
