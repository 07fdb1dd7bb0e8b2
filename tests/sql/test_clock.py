from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sql.checks import query

if TYPE_CHECKING:
    from tests.factories import Connection
    from tests.sql.world import World


def one(connection: Connection, expression: str, *arguments: object) -> Any:
    return query(connection, f"select {expression}", *arguments)[0][0]


def test_the_clock_goes_on_within_a_transaction(connection: Connection) -> None:
    first = one(connection, "batchline.clock()")

    assert one(connection, "batchline.clock()") > first
    assert one(connection, "abs(extract(epoch from batchline.clock() - clock_timestamp())) < 1")


def test_the_clock_can_be_moved_by_its_setting_alone(world: World) -> None:
    world.move_clock(3600)
    assert one(world.connection, "extract(epoch from batchline.clock() - clock_timestamp())::int") == 3600
    world.move_clock(-7200)
    assert one(world.connection, "extract(epoch from batchline.clock() - clock_timestamp())::int") == -3600


def test_no_other_clock_decides(connection: Connection) -> None:
    statement = r"""
        select proname from pg_catalog.pg_proc
        where pronamespace in ('batchline'::regnamespace, 'public'::regnamespace)
          and proname not in ('clock', 'reading_time')
          and prosrc ~* '\mnow\(|_timestamp\(|current_timestamp|localtime'
    """
    assert connection.execute(statement).fetchall() == []
    defaults = r"""
        select adrelid::regclass, pg_get_expr(adbin, adrelid) from pg_catalog.pg_attrdef
        join pg_catalog.pg_class on pg_class.oid = adrelid
        where relnamespace = 'public'::regnamespace and pg_get_expr(adbin, adrelid) ~* 'now\(|timestamp'
    """
    assert connection.execute(defaults).fetchall() == []


def test_every_time_has_a_time_zone(connection: Connection) -> None:
    statement = """
        select table_name, column_name from information_schema.columns
        where table_schema = 'public' and data_type in ('timestamp without time zone', 'time without time zone')
    """
    assert connection.execute(statement).fetchall() == []


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from([0, 1, 10, 120, 500_000, 250_000, 999_999]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_times_out_are_iso_8601_in_utc(connection: Connection, time: datetime, minutes: int, micro: int) -> None:
    aware = time.replace(microsecond=micro, tzinfo=UTC) + timedelta(minutes=minutes)

    text = one(connection, "public.iso_utc(%s::timestamptz)", aware)

    assert datetime.fromisoformat(text) == aware
    assert text.endswith("Z")
    assert ("." in text) is bool(micro)
    assert not text.rstrip("Z").endswith((".", ".0"))


def test_no_time_is_no_text(connection: Connection) -> None:
    assert one(connection, "public.iso_utc(null)") is None
