"""A person is erased while a file that names them waits, or is being read: they are neither stored nor called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import contact_imports, erasure, storage
from shared.auth import Caller
from tests.factories import fictional_numbers
from tests.lists.harness import CHUNK, List, rows, worker

if TYPE_CHECKING:
    from tests.dialer.harness import World
    from tests.lists.conftest import At

PERSON, *OTHERS = fictional_numbers(3 * CHUNK)
LINES = [(number, "Ann") for number in OTHERS]
# In the second chunk, and again in the last.
NAMING = [*LINES[: CHUNK + 2], (PERSON, "Hopper"), *LINES[CHUNK + 2 :], (PERSON, "Hopper")]
FIRST_ROW, LAST_ROW = CHUNK + 4, len(NAMING) + 1
WHEREVER = """
select count(*)
from (
  select agency_id, to_jsonb(contact) as row from public.campaign_contacts as contact
  union all
  select agency_id, to_jsonb(event) from public.call_events as event
  union all
  select agency_id, to_jsonb(fault)
  from public.contact_import_faults as fault
  join public.contact_imports as list on list.id = fault.import_id
) as found
where agency_id = %s and row::text ~ %s
"""


def traces(world: World) -> int:
    """How many of the agency's rows name the person."""
    return world.value(WHEREVER, world.agency.id, f"{PERSON[1:]}|Hopper")


def erase(world: World) -> int:
    """How many objects that changed."""
    person = erasure.Person(phone_number=PERSON)
    return erasure.erase(Caller(world.agency.owner, ""), person)["changed"]["objects"]


def assert_forgotten(listed: List) -> None:
    """The list is whole but for the person, of whom nothing is left but the report that says so."""
    world, row = listed.world, listed.row()
    today = f"{world.value('select batchline.clock()'):%Y-%m-%d}"
    assert (row["status"], row["added"], row["rows_read"]) == ("completed", len(OTHERS), len(NAMING))
    assert listed.numbers() == OTHERS
    assert traces(world) == 0
    assert all(fault[2] == f"the person was erased on {today}" for fault in listed.faults())


def test_who_is_erased_before_a_file_is_read_is_reported_row_by_row_and_not_called(world: World) -> None:
    listed = List.of(world, rows(NAMING))
    erase(world)

    entry = listed.run()
    batch = listed.start()
    world.run_until(lambda: batch.status == "completed")

    assert_forgotten(listed)
    assert (entry["erased"], listed.row()["erased"]) == (2, 2)
    assert [fault[0] for fault in listed.faults()] == [FIRST_ROW, LAST_ROW]
    assert sorted(call["to"] for call in world.dialled()) == sorted(OTHERS)
    assert listed.file() is None


@pytest.mark.parametrize("chunk", [2, 3])
def test_a_chunk_that_was_read_before_the_erasure_and_is_written_after_it_holds_nobody(
    world: World, chunk: int
) -> None:
    listed = List.of(world, rows(NAMING))

    with worker("import_before_record", chunk) as reading:
        reading.wait_until_reached()
        erase(world)
        reading.go_on()
        reading.result()

    row = listed.row()
    # By then the first row may have been stored, and was erased there.
    assert row["added"] + row["erased"] + row["duplicates_skipped"] == len(NAMING)
    assert traces(world) == 0
    assert [number for number in listed.numbers() if not number.startswith("erased:")] == OTHERS


@pytest.mark.parametrize("point", ["import_before_read", "import_before_record", "import_recorded"])
def test_after_a_kill_the_next_run_stores_nobody_who_was_erased_meanwhile(world: World, point: str) -> None:
    listed = List.of(world, rows(NAMING))

    with worker(point) as killed:
        killed.wait_until_reached()
        erase(world)
        killed.kill()
    listed.expire()
    listed.run()

    assert_forgotten(listed)
    assert listed.row()["erased"] == 2


def test_an_erasure_between_the_last_chunk_and_the_report_leaves_the_report_without_them(world: World, at: At) -> None:
    listed = List.of(world, rows(NAMING))
    at("import_before_report", lambda: erase(world))

    listed.run()

    assert traces(world) == 0
    assert PERSON[1:] not in f"{listed.report()}"
    assert listed.row()["erased"] == 0


def test_a_list_that_is_asked_for_after_the_erasure_names_a_stranger(world: World) -> None:
    erase(world)
    listed = List.of(world, rows(NAMING))

    listed.run()

    assert (listed.row()["erased"], listed.row()["duplicates_skipped"]) == (0, 1)
    assert PERSON in listed.numbers()
    assert traces(world) > 0


def test_a_list_of_nobody_but_the_erased_has_failed_and_says_why(world: World) -> None:
    listed = List.of(world, rows([(PERSON, "Hopper")]))
    erase(world)

    assert listed.run()["error"] == "None of the 1 rows could be used; the report says why"
    assert [fault[0] for fault in listed.faults()] == [2]


def test_a_report_whose_column_is_called_by_the_number_is_written_anew(world: World) -> None:
    listed = List.of(world, rows([(OTHERS[0], "x" * 6000), (OTHERS[1], "Ann\x00")], ("phone_number", f"Of {PERSON}")))
    listed.run()
    assert PERSON in listed.report()[1][1]
    world.value("select batchline.erase_person(%s, %s)", world.agency.owner, PERSON)  # a process that died here

    assert erase(world) == 1

    assert listed.report()[1][1] == "Of [erased]"
    assert list(listed.row()["columns"]) == ["Of [erased]", "phone_number"]
    assert erase(world) == 0


def test_a_number_that_a_spreadsheet_spoilt_is_not_quoted_whole(world: World) -> None:
    listed = List.of(world, rows([(f"{PERSON[1]}.{PERSON[2:]}E+10", "Ann"), (OTHERS[0], "Ann")]))

    listed.run()

    ((_, _, problem),) = listed.faults()
    assert problem == f"was turned into {PERSON[1]}.{PERSON[2:7]}…E+10 by a spreadsheet, and its last digits are lost"


def test_a_file_that_was_put_after_its_import_had_ended_is_gone(world: World) -> None:
    listed = List.of(world, rows(NAMING))
    listed.run()
    listed.upload(rows(NAMING))

    erase(world)

    assert listed.file() is None


def test_a_file_that_waits_to_be_read_is_left_to_its_reader(world: World) -> None:
    listed = List.of(world, rows(NAMING))

    erase(world)

    assert storage.look(contact_imports.list_object(listed.import_id)) is not None
