from __future__ import annotations

import pytest

from shared import errors
from shared.errors import AppError, BadRequestError, ForbiddenError, NotFoundError, refusal


def every_error() -> list[type[AppError]]:
    return [AppError, *AppError.__subclasses__()]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_stands_in_the_tree_of_the_docstring_with_its_status_and_code(kind: type[AppError]) -> None:
    lines = [line.split() for line in (errors.__doc__ or "").splitlines() if kind.__name__ in line]

    assert [line[1:3] for line in lines] == [[str(kind.status), kind.code]]


@pytest.mark.parametrize("kind", [BadRequestError, ForbiddenError, NotFoundError])
def test_the_docstring_is_the_default_sentence(kind: type[AppError]) -> None:
    assert str(kind()) == kind.__doc__
    assert str(kind("Another one")) == "Another one"


def test_a_refusal_of_the_database_becomes_the_error_of_its_status_with_code_and_members() -> None:
    error = refusal("PT403", "User may not", '{"code": "forbidden", "role": "agency_member"}')

    assert isinstance(error, ForbiddenError)
    assert (str(error), error.code, error.members) == ("User may not", "forbidden", {"role": "agency_member"})


@pytest.mark.parametrize("details", [None, "", "no JSON", "[1]", "{}"])
def test_a_refusal_without_readable_details_keeps_the_code_of_its_class(details: str | None) -> None:
    error = refusal("PT404", "Batch not found", details)

    assert isinstance(error, NotFoundError)
    assert (error.code, error.members) == ("not_found", {})


@pytest.mark.parametrize("sqlstate", ["23505", "P0001", "PGRST202", "PT999", "PT500", "PT", "PT4x4", "PT²²²"])
def test_any_other_sqlstate_is_no_refusal(sqlstate: str) -> None:
    assert refusal(sqlstate, "a secret", None) is None
