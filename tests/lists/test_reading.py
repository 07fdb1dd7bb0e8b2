"""A list that is uploaded comes into its batch row by row; what is wrong with a row is said and stops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import lists, storage
from tests.dialer.harness import Batch
from tests.factories import fictional_numbers, forbid_number
from tests.lists.harness import List, rows

if TYPE_CHECKING:
    from tests.dialer.harness import World
    from tests.lists.conftest import At

GOOD = fictional_numbers(40)
NAMED = [(number, f"Person {n}") for n, number in enumerate(GOOD, 2)]


def test_every_row_of_a_list_is_a_contact_in_its_order(world: World) -> None:
    listed = List.of(world, rows(NAMED))

    entry = listed.run()

    assert (entry["status"], entry["reason"], entry["added"]) == ("completed", "all_rows_read", 40)
    assert listed.numbers() == GOOD
    assert [contact["first_name"] for contact in listed.contacts()] == [name for _, name in NAMED]
    assert listed.batch.counters() == {"pending": 40}
    assert (listed.row()["report_rows"], listed.file()) == (0, None)


def test_a_list_is_kept_waiting_for_until_it_arrives(world: World) -> None:
    listed = List.ask(world)
    assert lists.process(lambda: 60_000) == {"processed": 0, "message": "No pending imports"}
    assert listed.status == "pending"

    listed.upload(rows(NAMED))

    assert listed.run()["status"] == "completed"


def test_what_is_wrong_with_a_row_is_said_with_row_column_and_remedy(world: World) -> None:
    forbid_number(world.db, world.agency.id, GOOD[9])
    header = ["Phone", "First Name", "E-Mail", "Time zone", "Max attempts", "Plan", "Notes"]

    def good(number: str) -> list[str]:
        return [number, "Ann", "", "", "", "gold", ""]

    lines = [
        good(GOOD[0]),
        good("213 555 0123"),
        good("1.21355E+10"),
        good("+1213555"),
        good(""),
        good(GOOD[0]),
        [],
        [GOOD[1], "A" * 256, "ann", "Mars/Base", "12", "", ""],
        [GOOD[2], "Ann"],
        [*good(GOOD[3]), "more"],
        [GOOD[4], "", "", "", "", "", "x" * 6000],
        good(f"{GOOD[5]} ext 7"),
        good(GOOD[9]),
        [GOOD[6], "B\x00b", "", "", "", "", ""],
    ]
    content = rows(lines, header)
    content += b'+12135550177,"Jos\xe9",,,,,\r\n' + b'+12135550178,"Ann"e,,,,,\r\n' + rows([good(GOOD[7])], header[:0])

    listed = List.of(world, content)
    entry = listed.run()

    assert listed.faults() == [
        (3, "Phone", "has no country code"),
        (4, "Phone", "was turned into 1.21355E+10 by a spreadsheet, and its last digits are lost"),
        (5, "Phone", "is no phone number that can be dialled"),
        (6, "Phone", "is empty"),
        (7, "", "the number is in the list already"),
        (9, "First Name", "has more than 255 characters"),
        (9, "E-Mail", "is no e-mail address"),
        (9, "Time zone", "is no IANA time zone"),
        (9, "Max attempts", "is no whole number from 1 to 11"),
        (10, "", "the row has 2 cells where the header has 7"),
        (11, "", "the row has 8 cells where the header has 7"),
        (12, "", "the further columns take 6012 bytes, more than 5 KB"),
        (13, "Phone", "has an extension, which cannot be dialled"),
        (15, "First Name", "holds a character that cannot be stored"),
        (16, "", "the row is not UTF-8, perhaps Latin-1"),
        (17, "", "the quotation marks do not match"),
    ]
    assert all(remedy for *_, remedy in listed.report())
    assert listed.numbers() == [GOOD[0], GOOD[9], GOOD[7]]
    assert (entry["rows_read"], entry["added"], entry["duplicates_skipped"], entry["invalid"]) == (16, 3, 1, 12)
    assert listed.row()["skipped"] == 1
    assert listed.contacts()[0]["custom_data"] == {"Plan": "gold"}
    assert listed.row()["columns"] == {
        "Phone": "phone_number",
        "First Name": "first_name",
        "E-Mail": "email",
        "Time zone": "timezone",
        "Max attempts": "max_attempts",
        "Plan": "custom_data",
        "Notes": "custom_data",
    }


def test_a_number_that_the_batch_has_is_skipped_and_named_in_whatever_chunk_it_comes(world: World) -> None:
    batch = world.create(GOOD[:3])
    lines = [*NAMED[2:35], NAMED[0], NAMED[5]]

    listed = List.of(world, rows(lines), batch)
    listed.run()

    assert listed.numbers() == GOOD[:35]
    assert listed.counters() == (35, 32, 3, 0)
    assert [row for row, *_ in listed.faults()] == [2, 35, 36]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (rows(NAMED).decode().encode("utf-16"), "The file is UTF-16, not UTF-8"),
        (rows(NAMED).decode().encode("utf-16-le"), "The file is UTF-16, not UTF-8"),
        (b"PK\x03\x04" + bytes(50), "The file is an Excel workbook (.xlsx), not CSV"),
        ("phone_number,prénom\n".encode("latin-1"), "The names of the columns are not UTF-8, perhaps Latin-1"),
        (b"\r\n\r\n", "The file is empty; the first row has to name the columns"),
        (b"", "The file is empty; the first row has to name the columns"),
        (b"name,city\nAnn,Rome\n", "No column is called phone_number"),
        (b"+12135550123,Ann\n", "The first row holds a phone number; put a row above it"),
        (b"Phone,Mobile\n+12135550123,\n", 'The columns "Phone" and "Mobile" could both be phone_number'),
        (b"phone,Notes,Notes\n", 'Two columns are called "Notes"'),
        (b"phone,a\0b\n", "The name of column 2 holds a character that cannot be stored"),
        (b'"phone,name\n' * 3, "The quotation marks in the header row do not match"),
        (b"phone_number,name\n", "The file holds no rows below its header"),
        (b"phone_number\nAnn\nBob\n", "None of the 2 rows could be used; the report says why"),
        (b"phone_number\n" + b"x" * 2_000_000, "The file has a line of more than 1 MB"),
    ],
)
def test_a_file_that_is_no_list_fails_with_a_sentence_that_says_what_to_do(
    world: World, content: bytes, sentence: str
) -> None:
    listed = List.of(world, content)

    entry = listed.run()

    assert entry["status"] == "failed"
    assert str(entry["error"]).startswith(sentence)
    assert listed.row()["error_message"] == entry["error"]
    assert (listed.contacts(), listed.file()) == ([], None)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("delimiter", "mark"), [(",", ""), (";", "\ufeff"), ("\t", "\ufeff"), (";", "sep=;\n")])
def test_however_a_spreadsheet_writes_it_it_is_read(world: World, end: str, delimiter: str, mark: str) -> None:
    cells = [
        ["Mobile", "Last name", "Address"],
        *([number, '"O\'Neil, ""Jr"""', f'"1 Main St{end}Springfield; é"'] for number in GOOD[:25]),
    ]
    text = mark.replace("\n", end) + end.join(delimiter.join(line) for line in cells)

    listed = List.of(world, text.encode())
    listed.run()

    assert listed.numbers() == GOOD[:25]
    contact = listed.contacts()[20]
    assert contact["last_name"] == 'O\'Neil, "Jr"'
    assert contact["custom_data"] == {"Address": f"1 Main St{end}Springfield; é"}


def test_a_quotation_mark_that_nobody_closes_costs_one_row(world: World) -> None:
    lines = rows(NAMED).splitlines(keepends=True)
    lines[7] = lines[7].replace(b"Person", b'"Person') if b'"' not in lines[7] else lines[7]

    listed = List.of(world, b"".join(lines))
    listed.run()

    assert listed.faults() == [(8, "", "the quotation marks do not match")]
    assert listed.numbers() == [number for number in GOOD if number != GOOD[6]]


def test_the_report_runs_no_formula(world: World) -> None:
    listed = List.of(world, b"phone_number,=1+1,timezone\n+1,,\n" + f"{GOOD[0]},,=cmd\n".encode())
    listed.run()

    assert [line[:2] for line in listed.report()] == [["2", "phone_number"], ["3", "timezone"]]
    listed = List.of(
        world, f"phone_number,first name\n{GOOD[0]},{'x' * 300}\n".replace("first name", "-email").encode()
    )
    listed.run()
    assert listed.status == "failed"
    assert listed.report()[0][:2] == ["2", "'-email"]


def test_a_batch_that_is_cancelled_ends_its_import(world: World) -> None:
    listed = List.of(world, rows(NAMED))
    Batch(world, listed.batch_id).cancel()

    entry = listed.run()

    assert (entry["status"], entry["error"]) == ("failed", "Batch cancelled before its list was whole")
    assert listed.contacts() == []


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed_with_the_old_one(world: World, at: At) -> None:
    listed = List.of(world, rows(NAMED))
    at("import_before_read", lambda: listed.upload(rows(reversed(NAMED))))

    entry = listed.run()

    assert (entry["status"], entry["error"]) == (
        "failed",
        "The file was replaced or removed while it was being read; upload it again",
    )
    assert listed.contacts() == []


def test_a_file_that_never_arrives_is_waited_for_no_longer_than_its_link_and_a_quarter_of_an_hour(world: World) -> None:
    listed = List.ask(world)
    batch = listed.start()
    world.run_until(lambda: batch.status == "processing")

    for age, status in (("14 minutes", "pending"), ("16 minutes", "failed")):
        listed.age(age)
        assert lists.process(lambda: 60_000) == {"processed": 0, "message": "No pending imports"}
        assert listed.status == status

    assert listed.row()["error_message"].startswith("No file arrived before the link ended")
    assert batch.status == "completed"


def test_a_file_of_more_than_100_mb_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_FILE_BYTES", 100)
    listed = List.of(world, rows(NAMED))

    assert listed.run()["error"] == "The file is larger than 100 MB; upload it in parts"
    assert (listed.status, listed.file()) == ("failed", None)


def test_a_run_whose_time_is_over_leaves_the_list_where_it_is(
    world: World, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = List.of(world, rows(NAMED))
    now = lists.boottime()
    at("import_recorded", lambda: monkeypatch.setattr(lists, "boottime", lambda: now + 3600))

    left = listed.run()
    monkeypatch.undo()

    assert (left["status"], left["cursor"]) == ("in_progress", listed.row()["cursor"])
    assert 0 < listed.row()["rows_read"] < 40
    assert listed.row()["claimed_by"] is None
    assert listed.run()["status"] == "completed"
    assert listed.numbers() == GOOD


def test_what_goes_wrong_on_our_side_is_tried_again_ten_times(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise storage.StorageError("no answer")

    listed = List.of(world, rows(NAMED))
    with monkeypatch.context() as patched:
        patched.setattr(storage, "read", broken)
        for attempt in range(1, 11):
            entry = listed.run()
            assert (entry["status"], entry["error"]) == ("in_progress" if attempt < 10 else "failed", lists.FAILURE)
            assert listed.row()["attempts"] == min(attempt, 9)
            assert lists.process(lambda: 60_000)["processed"] == 0  # not at once
            listed.set("resume_after", None)
